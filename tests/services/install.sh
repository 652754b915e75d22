#!/usr/bin/env bash
# Installs the real servers that the tests marked `service` start: an S3 store (Ceph), a browser (Chromium),
# a database (PostgreSQL) and a web proxy (tinyproxy); and what builds and runs container images.
# Debian packages; needs root. Does nothing when all of them are there.
set -euo pipefail

packages=(ceph-mon ceph-osd radosgw ceph-common chromium chromium-driver postgresql buildah podman runc debootstrap tinyproxy)

missing=()
for package in "${packages[@]}"; do
    dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    echo "all servers are installed: ${packages[*]}"
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "not root: ask an administrator for: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q --yes --no-install-recommends "${missing[@]}"
