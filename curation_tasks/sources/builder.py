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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from curation_tasks.errors import CurationError
from curation_tasks.parts import Columns, Names, Parameters, SourcePart, SourceUnit, load_attribute

if TYPE_CHECKING:
    import pyarrow as pa

    from curation_tasks.context import RunContext

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
    """Lists what there is, and fetches it. ``curation_tasks.sources.download.UrlDownloader`` serves for addresses that are known."""

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
        return load_attribute(piece, self.name) if isinstance(piece, str) else piece


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
