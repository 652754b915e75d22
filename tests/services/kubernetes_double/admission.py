"""What an API server refuses before it keeps an object: fields it does not know, names that are none, pods that may too much.

Schemas are those of Kubernetes 1.34. The pod security standard ``restricted`` holds for pods of stages and of Dask, as in a
namespace that enforces it.
"""

from __future__ import annotations

import json
import re
from typing import Any

import kubernetes_validate

from .store import KINDS, Object, RefusedError

VERSION = "1.34"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SHORT_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_ANNOTATION_BYTES = 256 * 1024
_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def admit(plural: str, item: Object) -> None:
    """Raises RefusedError for what a server would refuse."""
    _check_names(plural, item)
    if "." not in KINDS[plural][0] and plural != "events":
        _check_schema(item)
    ours = (item["metadata"].get("labels") or {}).get("app.kubernetes.io/name") == "curate"
    if plural == "pods" and ours and (wrong := violations(item["spec"])):
        message = f'pods "{item["metadata"]["name"]}" is forbidden: violates PodSecurity "restricted:v{VERSION}": {", ".join(wrong)}'
        raise RefusedError(403, "Forbidden", message)


def violations(spec: Object) -> list[str]:
    """Where a pod does more than the standard ``restricted`` allows."""
    of_pod, wrong = spec.get("securityContext") or {}, []
    if any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")):
        wrong.append("host namespaces")
    for volume in spec.get("volumes") or []:
        if not set(volume) & _VOLUMES:
            wrong.append(f"restricted volume types ({volume['name']})")
    for container in [*spec["containers"], *(spec.get("initContainers") or [])]:
        own, name = container.get("securityContext") or {}, container["name"]
        merged = {**of_pod, **own}
        capabilities = own.get("capabilities") or {}
        if own.get("allowPrivilegeEscalation") is not False:
            wrong.append(f"allowPrivilegeEscalation != false ({name})")
        if "ALL" not in capabilities.get("drop", []) or set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
            wrong.append(f"unrestricted capabilities ({name})")
        if merged.get("runAsNonRoot") is not True or merged.get("runAsUser") == 0:
            wrong.append(f"runAsNonRoot != true ({name})")
        if (merged.get("seccompProfile") or {}).get("type") not in ("RuntimeDefault", "Localhost"):
            wrong.append(f"seccompProfile ({name})")
        if own.get("privileged") or any(port.get("hostPort") for port in container.get("ports") or []):
            wrong.append(f"privileged or host ports ({name})")
    return wrong


def _check_schema(item: Object) -> None:
    # What only the server writes is none of a client's business.
    sent = {name: value for name, value in item.items() if name != "status"}
    try:
        kubernetes_validate.validate(sent, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        raise RefusedError(422, "Invalid", f'{item["kind"]} "{item["metadata"]["name"]}" is invalid: {error.message}') from error


def _check_names(plural: str, item: Object) -> None:
    metadata = item["metadata"]
    most, pattern = (63, _SHORT_NAME) if plural == "services" else (253, _NAME)
    _refuse_unless(len(metadata["name"]) <= most and pattern.fullmatch(metadata["name"]), item, "metadata.name", metadata["name"])
    for field in ("labels", "annotations"):
        for key, value in (metadata.get(field) or {}).items():
            prefix, _, name = key.rpartition("/")
            _refuse_unless(0 < len(name) <= 63 and _QUALIFIED.fullmatch(name), item, f"metadata.{field}", key)
            _refuse_unless(not prefix or (len(prefix) <= 253 and _NAME.fullmatch(prefix)), item, f"metadata.{field}", key)
            _refuse_unless(isinstance(value, str), item, f"metadata.{field}", value)
            _refuse_unless(field == "annotations" or (len(value) <= 63 and _QUALIFIED.fullmatch(value)), item, "metadata.labels", value)
    size = len(json.dumps(metadata.get("annotations") or {}))
    _refuse_unless(size <= _ANNOTATION_BYTES, item, "metadata.annotations", f"{size} bytes")


def _refuse_unless(right: object, item: Object, field: str, value: Any) -> None:
    if not right:
        message = f'{item["kind"]} "{item["metadata"]["name"]}" is invalid: {field}: Invalid value: {value!r}'
        raise RefusedError(422, "Invalid", message)
