"""The images of the tasks: built from their Dockerfile on a base made here, and run as on a cluster.

There is no registry here, so the base is a Debian of the same release, made by debootstrap, and the build takes wheels
from uv's cache. Both are kept in a folder below /var/tmp, so that a second run is quick. The image for GPUs downloads
4 GB and takes 25 GB of disk while it is built, so its tests are also marked `slow`; none of them needs a GPU.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from curation_tasks import __version__
from curation_tasks.cli.run import run_pipeline
from curation_tasks.clusters import ClusterSettings
from curation_tasks.clusters.kubernetes_diagnosis import obstacle
from curation_tasks.clusters.kubernetes_spec import cluster_object, kubernetes_settings
from curation_tasks.handover import PIPELINE_VARIABLE, pack
from curation_tasks.plan import plan
from curation_tasks.spec import load_pipeline

pytestmark = [pytest.mark.service, pytest.mark.timeout(3600)]
REPOSITORY = Path(__file__).parents[2]
STORE = Path("/var/tmp/curation-images")
BASE, IMAGE = "localhost/curation-base", "localhost/curation-worker"
PROGRAMS = ("buildah", "podman", "runc", "debootstrap")
PACKAGES = "python3,python3-venv,python3-dev,g++,ca-certificates"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
PLACES = ["--root", str(STORE / "store"), "--runroot", str(STORE / "run")]


def run(*command: str, check: bool = True, **more) -> subprocess.CompletedProcess[str]:
    """Of a command that may fail (``check`` is False) the output holds what it wrote to either stream."""
    streams = {"capture_output": True} if check else {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, text=True, check=False, **streams, **more)
    assert done.returncode == 0 or not check, f"{' '.join(command[:8])} …\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


GPU = pytest.param("gpu", marks=pytest.mark.slow)
GPU_ONLY = pytest.mark.parametrize("image", [GPU], indirect=True)
#: Bytes free for the layers of an image, twice over: as built and as committed.
ROOM = {"cpu": 10 * 10**9, "gpu": 30 * 10**9}


@pytest.fixture(scope="module", params=["cpu", GPU])
def image(request) -> str:
    target = request.param
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}; run tests/services/install.sh as root")
    if os.getuid() != 0:
        pytest.skip("images are built by root")
    STORE.mkdir(exist_ok=True)
    if shutil.disk_usage(STORE).free < ROOM[target]:
        pytest.skip(f"building needs {ROOM[target] / 1e9:.0f} GB of free disk at {STORE}")
    _make_base()
    mounts = ["--volume", "/etc/ssl/certs:/etc/ssl/certs:ro"]
    if cache := _uv_cache():
        mounts += ["--volume", f"{cache}:/root/.cache/uv:rw"]
    run(
        "buildah", *PLACES, "build", "--isolation", "chroot", "--network", "host", "--pull=never", *mounts,
        "--build-arg", f"BASE={BASE}", "--build-arg", f"SSL_CERT_FILE={CERTIFICATES}",
        "--target", target, "--tag", f"{IMAGE}:{target}", "--file", "docker/worker/Dockerfile", ".", cwd=REPOSITORY,
    )  # fmt: skip
    return f"{IMAGE}:{target}"


def _make_base() -> None:
    if BASE in run("podman", *PLACES, "images", "--format", "{{.Repository}}").stdout.split():
        return
    folder = STORE / "root"
    shutil.rmtree(folder, ignore_errors=True)
    run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(folder))
    run("tar", "--directory", str(folder), "--create", "--file", str(STORE / "root.tar"), ".")
    run("podman", *PLACES, "import", str(STORE / "root.tar"), f"{BASE}:latest")
    shutil.rmtree(folder)
    (STORE / "root.tar").unlink()


def _uv_cache() -> str | None:
    uv = shutil.which("uv") or str(REPOSITORY / ".tools" / "bin" / "uv")
    return run(uv, "cache", "dir").stdout.strip() if Path(uv).exists() else None


@pytest.fixture(scope="module")
def curate(image, tmp_path_factory):
    """Runs a command in the image as the pod templates do: nobody's user, read-only root, no network."""
    data = tmp_path_factory.mktemp("data")
    data.chmod(0o777)
    options = [
        "--runtime", "runc", "--network", "none", "--ulimit", "nofile=20000:20000", "--ulimit", "nproc=30000:30000",
        "--read-only", "--tmpfs", "/tmp:rw,mode=1777", "--tmpfs", "/var/cache/curate:rw,mode=1777",
        "--volume", f"{data}:/data:rw", "--cap-drop", "all", "--security-opt", "no-new-privileges",
    ]  # fmt: skip

    def call(*command: str, check: bool = True, **environment: str) -> str:
        variables = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        return run("podman", *PLACES, "run", "--rm", *options, *variables, image, *command, check=check).stdout

    return call


def test_the_command_is_there(curate):
    assert "Every stage is one command" in " ".join(curate("curate", "--help").split())
    assert json.loads(curate("curate", "version", "--json"))["curation-tasks"] == __version__


def test_it_holds_no_airflow_and_the_commands_of_dask(curate):
    assert json.loads(curate("curate", "version", "--json"))["apache-airflow"] == "not installed"
    assert "--nworkers" in curate("dask", "worker", "--help")
    assert "--port" in curate("dask", "scheduler", "--help")


def test_it_is_nobody_and_writes_only_where_it_may(curate):
    assert curate("id", "-u").strip() == "10001"
    assert curate("sh", "-c", "touch /opt/curation/x 2>/dev/null || echo refused").strip() == "refused"


def test_its_kernels_are_compiled(curate):
    warmed = json.loads(curate("curate", "warm", "--json"))
    assert warmed["folder"] == "/opt/kernels"
    assert warmed["kernels"] > 60
    assert warmed["compiled"] == 0


def test_a_stage_gives_the_digest_that_it_gives_here(curate, tmp_path):
    quickstart = REPOSITORY / "dags" / "pipelines" / "quickstart.yaml"
    expected = {outcome["stage"]: outcome["digest"] for outcome in run_pipeline(quickstart, "all", str(tmp_path), until="clean")}
    text = pack(plan(load_pipeline(quickstart)), quickstart)
    result = "/data/result.json"
    resolved = json.loads(curate("curate", "stage", "resolve", "--root", "/data", "--json", **{PIPELINE_VARIABLE: text}))
    stories = json.loads(curate("curate", "stage", "stories", "--resolved", resolved["manifest"], "--json", CURATE_RESULT=result))
    inputs = ["--resolved", resolved["manifest"], "--input", f"stories={stories['manifest']}"]
    clean = json.loads(curate("curate", "stage", "clean", *inputs, "--json"))
    assert {outcome["stage"]: outcome["digest"] for outcome in (resolved, stories, clean)} == expected
    assert json.loads(curate("cat", result))["digest"] == expected["stories"]


@GPU_ONLY
def test_the_libraries_for_gpus_load_without_one(curate):
    for name in ("cudf", "cupy", "dask_cuda", "dask_cudf", "numba.cuda", "rmm"):
        assert curate("python", "-c", f"import {name}; print({name}.__name__)").strip() == name
    assert "--rmm-pool-size" in curate("dask", "cuda", "worker", "--help")


@GPU_ONLY
def test_a_worker_without_a_driver_says_so_last(curate, monkeypatch):
    """The stage finds the reason in the last line of the worker's log (``kubernetes_diagnosis``)."""
    monkeypatch.setenv("CURATE_WORKER_IMAGE", "curation-worker:gpu")
    monkeypatch.setenv("CURATE_WORKER_POOL", "gpu")
    monkeypatch.setenv("CURATE_DASK_TEMPLATES", str(REPOSITORY / "k8s" / "base" / "dask"))
    cluster = cluster_object(kubernetes_settings(ClusterSettings()), {}, threads=True)
    arguments = cluster["spec"]["worker"]["spec"]["containers"][0]["args"]
    variables = {"POD_IP": "127.0.0.1", "DASK_WORKER_NAME": "w1"}
    told = [re.sub(r"\$\((\w+)\)", lambda match: variables[match[1]], argument) for argument in arguments]
    output = curate(*told, "tcp://127.0.0.1:8786", check=False)
    status = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 1, "message": output}}}
    pod = {"metadata": {"name": "w1"}, "status": {"containerStatuses": [status]}}
    found = obstacle({"status": {"phase": "Running"}}, [], [pod], [])
    assert "NVML Shared Library Not Found" in found.what
    assert "runtimeClassName: nvidia" in found.remedy
