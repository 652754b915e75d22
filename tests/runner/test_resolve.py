"""Files that a pipeline names: by path or URL, and with the hash that they must have."""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from curation_tasks.errors import ConfigError, InputError
from curation_tasks.runner.resolve import freeze_file, hash_file

CONTENT = b"a model of languages" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The same file by its path and by its URL, and the folder to freeze it in."""
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "lid.bin").write_bytes(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "files"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield str(tmp_path / "files" / "lid.bin"), f"http://127.0.0.1:{server.server_address[1]}/lid.bin", str(tmp_path / "frozen")
        server.shutdown()


def test_a_file_by_path_and_by_url_is_one_content(places):
    *references, folder = places
    for reference in references:
        for pin in ("", f"#sha256={SHA256}"):
            found = hash_file(reference + pin, ".")
            assert found["sha256"] == hash_file(references[0], ".")["sha256"]
            with open(freeze_file(found, folder), "rb") as file:
                assert file.read() == CONTENT


def test_another_file_than_the_pinned_one_is_refused(places):
    path, url, _ = places
    other = f"#sha256={'0' * 64}"
    with pytest.raises(ConfigError, match=f"not the one that the pipeline names(.|\n)*sha256 000(.|\n)*{SHA256}"):
        hash_file(path + other, ".")
    with pytest.raises(InputError, match=SHA256):
        hash_file(url + other, ".")
    for wrong in ("", "abc", SHA256.upper()):
        with pytest.raises(ConfigError, match="64 hex digits"):
            hash_file(f"{path}#sha256={wrong}", ".")
