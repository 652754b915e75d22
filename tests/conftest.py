"""Settings for all tests, a pipeline of the tests' own, and S3 stores to test against: one in this process, and a real one."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import settings

# The first example of a test pays for imports: what an example costs is not a property of the code.
settings.register_profile("repository", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repository"))


@pytest.fixture(scope="session")
def moto_environment() -> Iterator[Mapping[str, str]]:
    """What to export to use an S3 store simulated in this process."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    server.stop()


@pytest.fixture(scope="session")
def radosgw_environment() -> Iterator[Mapping[str, str]]:
    """What to export to use a real S3 server, started for these tests. Only for tests marked ``service``."""
    place = Path(__file__).parent / "services" / "ceph.py"
    specification = importlib.util.spec_from_file_location("services_ceph", place)
    ceph = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = ceph
    specification.loader.exec_module(ceph)
    if missing := ceph.missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)}; run tests/services/install.sh as root")
    with ceph.radosgw() as server:
        yield server.environment


@pytest.fixture(params=["moto", pytest.param("radosgw", marks=pytest.mark.service)])
def s3(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sets the environment to that of a user of an S3 store: the simulated one, then (marked ``service``) the real one."""
    from s3fs import S3FileSystem

    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_MAX_ATTEMPTS"):
        monkeypatch.delenv(name, raising=False)
    nobody = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in {**nobody, **request.getfixturevalue(f"{request.param}_environment")}.items():
        monkeypatch.setenv(name, value)
    # An instance reads the environment when it is made, and instances are kept.
    S3FileSystem.clear_instance_cache()
    yield
    S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(s3: None) -> str:
    """``s3://`` and the name of an empty bucket of the test's own."""
    from s3fs import S3FileSystem

    name = f"test-{uuid.uuid4().hex[:12]}"
    S3FileSystem().mkdir(name)
    return f"s3://{name}"


TESTS = Path(__file__).parent


@pytest.fixture(scope="session")
def fasttext_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small fastText models of all kinds; see ``tests/fasttext_models.py``."""
    folder = tmp_path_factory.mktemp("fasttext")
    subprocess.run(
        [sys.executable, str(TESTS / "fasttext_models.py"), str(folder)], env=os.environ | {"MALLOC_PERTURB_": "255"}, check=True
    )
    return folder


PIPELINE = """
name: demo
stages:
  - id: lines
    source: curation_test_parts:LINES
    max_quarantined_ratio: 0.2
    parameters: {units: 6, documents: 40}
  - id: refine
    operations:
      - curation_test_parts:short: {min_characters: 25}
  - id: exact
    reduction: dedup.exact
  - id: compact
    compact: {shard_text_bytes: 4000}
  - id: text
    export: curation_test_parts:TEXT
  - id: publish
    publish: {}
"""


@pytest.fixture
def own_parts(monkeypatch):
    """Lets pipeline files name the parts of ``curation_test_parts``, here and in processes that a test starts."""
    monkeypatch.setenv("CURATE_ALLOWED_PACKAGES", "curation_test_parts")
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    monkeypatch.syspath_prepend(str(TESTS))
    yield
    sys.modules.pop("curation_test_parts", None)


@pytest.fixture
def pipeline(tmp_path, own_parts):
    """Writes a pipeline file; replacements are made in its text."""

    def write(name="demo.yaml", **replacements):
        text = PIPELINE
        for old, new in replacements.items():
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def pipeline_text(own_parts):
    """A pipeline of every kind of stage over the parts of ``curation_test_parts``."""
    return PIPELINE
