"""Document builders: a source of one's own from three small pieces.

A *downloader* lists the files and fetches them, an *iterator* finds the records in a file, an *extractor* makes text of a
record's content. ``source_from_builder`` joins them into a ``SourcePart`` that a pipeline file can name::

    def letters(path, unit, parameters):
        for number, letter in enumerate(Path(path).read_text().split("\\f")):
            yield Record(letter, native_id=f"{unit.path}-{number}")

    def without_signature(record, parameters):
        text, found, _ = record.content.partition("\\n-- \\n")
        return text if found else Rejection("no_signature")

    PARTS = (
        source_from_builder(
            name="my.letters",
            summary="The letters of the archive",
            parameters=LetterParameters,
            downloader=UrlDownloader(lambda parameters, snapshot: [Download(f"https://example.org/{snapshot}.txt")]),
            iterator=letters,
            extractor=without_signature,
            rejects=("no_signature",),
        ),
    )

Each piece may also be a dotted path ``module:name``, imported only where a stage runs: so the module that lists the parts
needs no engine. This module imports none either. ``tinystories`` is the worked example.
"""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import xxhash

from curation_tasks.errors import ConfigError, CurationError, InputError, TransientError
from curation_tasks.parts import Columns, Names, Parameters, SourcePart, SourceUnit, _import
from curation_tasks.storage.cache import cache_folder
from curation_tasks.storage.filesystem import absolute, filesystem, scheme_of, storage_errors

if TYPE_CHECKING:
    import pyarrow as pa

    from curation_tasks.context import RunContext

_BLOCK_BYTES = 2**22
#: Records are gathered into batches of about so much content, or so many records.
_BATCH_BYTES, _BATCH_ROWS = 8 * 2**20, 16_384


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file, and what an extractor makes of it.

    Attributes:
        content: The raw content; of an extracted record, the text.
        native_id: An identity of the source's own, unique in it; without one, file and position are the identity.
        url: Where it comes from; only for sources that provide ``url``.
        metadata: Values of the columns that the source provides.
    """

    content: str | bytes
    native_id: str | None = None
    url: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why there is no document in a record; one of the reasons that the source declares."""

    reason: str
    value: float | None = None


@runtime_checkable
class Downloader(Protocol):
    """Lists what there is, and fetches it. ``UrlDownloader`` serves for addresses that are known."""

    def units(self, parameters: Any, snapshot: str) -> list[SourceUnit]:
        """The files, one unit each; called once, by ``resolve``."""

    def fetch(self, unit: SourceUnit, parameters: Any) -> str:
        """A local path, or a URI that can be read in place, with the content of a unit."""


class RecordIterator(Protocol):
    """Finds the records in a file: ``Record`` objects, or whole record batches.

    Record batches are finished documents and go round the extractor: columns as those of any source
    (``curation_tasks.parts.SourcePart``). They are the way to work on whole buffers.
    """

    def __call__(self, path: str, unit: SourceUnit, parameters: Any) -> Iterator[Record | pa.RecordBatch]: ...


class Extractor(Protocol):
    """Makes text of a record: a string, a ``Record`` (to set identity, address or metadata too) or a ``Rejection``."""

    def __call__(self, record: Record, parameters: Any) -> str | Record | Rejection: ...


@dataclass(frozen=True)
class Download:
    """A file at a known address.

    Attributes:
        url: http, https, s3 or a local path, which is read in place.
        bytes: Expected size; None takes the one that the server states.
        sha256: Expected hash, hex. With it, the server is not asked at all when the file is there already.
    """

    url: str
    bytes: int | None = None
    sha256: str | None = None


def source_from_builder(
    *,
    name: str,
    summary: str,
    downloader: Downloader | str,
    iterator: RecordIterator | str,
    extractor: Extractor | str | None = None,
    parameters: type[Parameters] = Parameters,
    provides: Columns | None = None,
    rejects: Names = (),
    **more: Any,
) -> SourcePart:
    """A source from downloader, iterator and extractor.

    Args:
        name: As pipeline files name it.
        summary: One line for listings.
        downloader: Lists and fetches files.
        iterator: File → records.
        extractor: Record → text; None when the content is the text.
        parameters: The model given to all three.
        provides: Columns of ``Record.metadata`` with their types, and ``url`` when records have one.
        rejects: Reasons that the extractor may give. ``invalid_utf8`` comes with it: content in bytes that is no UTF-8.
        more: Other fields of ``SourcePart``, as ``data_version``.
    """
    builder = DocumentBuilder(name, downloader, iterator, extractor, provides or {})

    def reasons(chosen: Any) -> Sequence[str]:
        return tuple(dict.fromkeys([*(rejects(chosen) if callable(rejects) else rejects), "invalid_utf8"]))

    return SourcePart(
        name=name,
        summary=summary,
        parameters=parameters,
        implementation=builder.read,
        units=builder.units,
        provides=provides or {},
        rejects=reasons,
        **more,
    )


@dataclass(frozen=True)
class DocumentBuilder:
    """The three pieces, joined."""

    name: str
    downloader: Downloader | str
    iterator: RecordIterator | str
    extractor: Extractor | str | None
    provides: Columns

    def units(self, parameters: Parameters, snapshot: str) -> list[SourceUnit]:
        return self._piece(self.downloader).units(parameters, snapshot)

    def read(self, unit: SourceUnit, parameters: Parameters, context: RunContext) -> Iterator[pa.RecordBatch]:
        """Fetches a unit, and yields its documents and rejected records."""
        import pyarrow as pa

        path = self._piece(self.downloader).fetch(unit, parameters)
        columns = dict(self.provides(parameters) if callable(self.provides) else self.provides)
        gathered: list[tuple[Record, str | Record | Rejection]] = []
        size = 0
        for item in self._piece(self.iterator)(path, unit, parameters):
            if isinstance(item, pa.RecordBatch):
                if gathered:
                    yield _batch(gathered, columns, self.name)
                    gathered, size = [], 0
                yield item
                continue
            made = self._extracted(item, parameters)
            gathered.append((item, made))
            size += len(item.content)
            if size >= _BATCH_BYTES or len(gathered) >= _BATCH_ROWS:
                yield _batch(gathered, columns, self.name)
                gathered, size = [], 0
        if gathered:
            yield _batch(gathered, columns, self.name)

    def _extracted(self, record: Record, parameters: Parameters) -> str | Record | Rejection:
        return self._piece(self.extractor)(record, parameters) if self.extractor is not None else record

    def _piece(self, piece: Any) -> Any:
        return _import(piece, self.name) if isinstance(piece, str) else piece


def _batch(rows: list[tuple[Record, str | Record | Rejection]], columns: Mapping[str, str], name: str) -> pa.RecordBatch:
    import pyarrow as pa

    from curation_tasks.schema import REJECTION_COLUMNS, arrow_type

    documents = [_document(record, made, name) for record, made in rows]
    types = {"text": "string", "native_id": "string"} | dict(columns) | dict(REJECTION_COLUMNS)
    arrays = [pa.array([document.get(column) for document in documents], arrow_type(kind)) for column, kind in types.items()]
    return pa.RecordBatch.from_arrays(arrays, names=list(types))


def _document(record: Record, made: str | Record | Rejection, name: str) -> dict[str, Any]:
    if isinstance(made, str):
        made = Record(made, record.native_id, record.url, record.metadata)
    if not isinstance(made, (Record, Rejection)):
        raise CurationError(
            f"the extractor of {name} returned a {type(made).__name__}", expected="a str, a Record or a Rejection", where=record.native_id
        )
    kept = made if isinstance(made, Record) else record
    text, whole = _valid_text(kept.content)
    rejection = made if isinstance(made, Rejection) else None if whole else Rejection("invalid_utf8")
    document = {**kept.metadata, "text": text, "native_id": kept.native_id, "url": kept.url}
    if rejection:
        document |= {"reject_reason": rejection.reason, "reject_value": rejection.value, "failed_rules": [rejection.reason]}
    return document


def _valid_text(content: str | bytes) -> tuple[str, bool]:
    """The content as a string that UTF-8 can hold, and whether that is all of it."""
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    try:
        return raw.decode(), True
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace"), False


class UrlDownloader:
    """Fetches files at known addresses into the cache, whole or not at all.

    A file that is there with the right size is not fetched again. Failures that may pass (503, a broken connection, a body
    shorter than announced) are tried again after 1, 2, 4 … seconds.

    Args:
        downloads: ``(parameters, snapshot) -> list[Download]``.
        attempts: Tries of each request.
        first_wait_seconds: Wait before the second; it doubles each time, up to a minute.
    """

    def __init__(self, downloads: Callable[[Any, str], Sequence[Download]], *, attempts: int = 5, first_wait_seconds: float = 1.0):
        self._downloads, self._attempts, self._first_wait_seconds = downloads, attempts, first_wait_seconds

    def units(self, parameters: Any, snapshot: str) -> list[SourceUnit]:
        """Asks each server for size and version.

        Raises:
            InputError: A file does not exist, or has not the expected size.
            TransientError: A server does not answer, even after trying again.
        """
        downloads = self._downloads(parameters, snapshot)
        parts = [absolute(download.url).split("/") for download in downloads]
        depth = len(shared_beginning([part[:-1] for part in parts]))
        names = ["/".join(part[depth:]) for part in parts]
        return [self._unit(download, name) for download, name in zip(downloads, names, strict=True)]

    def fetch(self, unit: SourceUnit, parameters: Any) -> str:
        """The path of the whole file; local files are used where they are.

        Raises:
            InputError: It is gone, or has not the expected hash.
            TransientError: It could not be fetched whole, even after trying again.
        """
        if scheme_of(unit.uri) == "file":
            _check_hash(unit.uri, unit.uri, unit)
            return unit.uri
        place = _place(unit)
        if not _is_present(place, unit):
            place.parent.mkdir(parents=True, exist_ok=True)
            self._retrying()(_download, unit, place)
        return str(place)

    def _unit(self, download: Download, name: str) -> SourceUnit:
        uri = absolute(download.url)
        options = {"sha256": download.sha256} if download.sha256 else {}
        size = -1 if download.bytes is None else download.bytes
        pinned = SourceUnit(uri, name, size, f"sha256:{download.sha256}", options)
        if download.sha256 and scheme_of(uri) != "file" and _is_present(_place(pinned), pinned):
            return pinned
        listed, etag = self._retrying()(_listed, uri)
        if download.bytes is not None and listed not in (-1, download.bytes):
            raise InputError(
                f"the file has {listed:,} bytes",
                where=uri,
                expected=f"{download.bytes:,} bytes",
                remedy="it was replaced by another one; check it, then set `bytes` and `sha256` anew",
            )
        return pinned if download.sha256 else SourceUnit(uri, name, listed if size < 0 else size, etag, options)

    def _retrying(self) -> Any:
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

        return Retrying(
            retry=retry_if_exception_type(TransientError),
            stop=stop_after_attempt(self._attempts),
            wait=wait_exponential(multiplier=self._first_wait_seconds, max=60),
            reraise=True,
        )


def shared_beginning(paths: Sequence[Sequence[str]]) -> list[str]:
    """The parts with which all paths begin."""
    return [parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))]


def _place(unit: SourceUnit) -> Path:
    """Where the copy of a file lies: another version of it has another place."""
    version = xxhash.xxh3_128_hexdigest("\0".join([unit.uri, unit.etag, unit.options.get("sha256", "")]).encode())
    return cache_folder() / "downloads" / version / (posixpath.basename(unit.uri.split("?")[0]) or "content")


def _is_present(place: Path, unit: SourceUnit) -> bool:
    return place.is_file() and unit.bytes in (-1, place.stat().st_size)


def _listed(uri: str) -> tuple[int, str]:
    """Size (−1 when the server does not say) and version."""
    fs, path = filesystem(uri)
    with _download_errors(uri), storage_errors(uri):
        info = fs.info(path)
    if info["type"] != "file":
        raise InputError("a folder, not a file", where=uri, expected="the address of one file")
    size = info.get("size")
    etag = str(info.get("ETag") or "").strip('"') or (f"{size}-{int(info['mtime'] * 1e6)}" if info.get("mtime") else "")
    return (-1 if size is None else size), etag


def _download(unit: SourceUnit, place: Path) -> None:
    fs, path = filesystem(unit.uri)
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        copy = Path(folder) / "content"
        with _download_errors(unit.uri), storage_errors(unit.uri):
            fs.get_file(path, str(copy))
        size = copy.stat().st_size
        if unit.bytes >= 0 and size != unit.bytes:
            raise TransientError(
                f"received {size:,} bytes", where=unit.uri, expected=f"{unit.bytes:,} bytes, as announced", remedy="it is tried again"
            )
        _check_hash(str(copy), unit.uri, unit)
        copy.replace(place)


def _check_hash(path: str, uri: str, unit: SourceUnit) -> None:
    import hashlib

    expected = unit.options.get("sha256")
    if not expected:
        return
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    if digest.hexdigest() != expected:
        raise InputError(
            f"the file has sha256 {digest.hexdigest()}",
            where=uri,
            expected=expected,
            remedy="it was replaced by another one; check it, then set `sha256` anew",
        )


@contextmanager
def _download_errors(uri: str) -> Iterator[None]:
    """Errors of HTTP by what they ask for. fsspec reports every failed look-up as "not found" and hides the status behind it."""
    try:
        yield
    except Exception as error:
        chain = list(_chain(error))
        status = next((item.status for item in chain if isinstance(getattr(item, "status", None), int)), None)
        client_error = any(type(item).__module__.startswith("aiohttp") or isinstance(item, TimeoutError) for item in chain)
        if status in (401, 403):
            raise ConfigError(
                f"access was refused (HTTP {status})", where=uri, remedy="check the address, or whether it asks for a login"
            ) from error
        if status in (408, 425, 429) or (status is not None and status >= 500):
            raise TransientError(f"the server answered HTTP {status}", where=uri, remedy="it is tried again") from error
        if status is not None and status >= 400:
            raise InputError(f"the server answered HTTP {status}", where=uri, remedy="check the address") from error
        if client_error:
            raise TransientError(f"the transfer failed: {chain[-1]!r}", where=uri, remedy="it is tried again") from error
        raise


def _chain(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    for _ in range(10):
        if current is None:
            return
        yield current
        current = current.__cause__ or current.__context__
