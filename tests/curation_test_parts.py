"""Parts for the tests of the frame, named by dotted paths: small, deterministic, with every kind of trouble on demand."""

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from curation_tasks.errors import ConfigError, InputError, TransientError
from curation_tasks.parts import ExportPart, FilePath, OperationPart, Parameters, Snapshot, SourcePart, SourceUnit, operation
from curation_tasks.schema import reject, with_columns


class LinesParameters(Parameters):
    units: int = Field(6, ge=1)
    documents: int = Field(40, ge=0)
    broken: tuple[int, ...] = ()
    failing: str = ""


def list_lines(parameters, snapshot):
    return [SourceUnit(f"lines-{index}", f"lines-{index}", options={"index": index}) for index in range(parameters.units)]


def read_lines(unit, parameters, context):
    index = unit.options["index"]
    if parameters.failing == "transient":
        raise TransientError("the network is away", where=unit.uri)
    if parameters.failing == "config":
        raise ConfigError("a wrong setting", where=unit.uri)
    if parameters.failing == "crash":
        raise ValueError("secret text of a document")
    for start in range(0, parameters.documents, 16):
        numbers = range(start, min(start + 16, parameters.documents))
        yield pa.record_batch(
            {
                "text": pa.array([f"Story {n % 30} of kind {index % 3}. " + "It was a fine day. " * (n % 5) for n in numbers], pa.string()),
                "url": pa.array([f"http://example.org/{index}/{n}" for n in numbers], pa.string()),
                "native_id": pa.array([f"{index}-{n}" for n in numbers], pa.string()),
            }
        )
        if index in parameters.broken:
            raise InputError("the file ends in the middle of a record", where=unit.uri)


LINES = SourcePart(
    name="test.lines",
    summary="Generated lines.",
    parameters=LinesParameters,
    implementation=read_lines,
    units=list_lines,
    provides={"url": "string"},
)


class CrawlParameters(LinesParameters):
    listed: tuple[str, ...] = ()


CRAWLS = SourcePart(
    name="test.crawls",
    summary="Generated lines of a crawl; `listed` holds `id date [available]`.",
    parameters=CrawlParameters,
    implementation=read_lines,
    units=list_lines,
    snapshots=lambda parameters: [Snapshot(*line.split()) for line in parameters.listed],
    provides={"url": "string"},
)


class ShortParameters(Parameters):
    min_characters: int = 25
    word_list: FilePath | None = None


@operation(
    "test.short",
    parameters=ShortParameters,
    adds={"characters": "int64"},
    rejects=["too_short", "listed"],
    thresholds=lambda parameters: {"too_short": ("characters", parameters.min_characters)},
)
def short(batch, parameters, context):
    """Rejects short text, and text with a listed word."""
    length = pc.utf8_length(batch.column("text")).cast(pa.int64())
    batch = with_columns(batch, {"characters": length})
    numbers = length.to_numpy(zero_copy_only=False)
    batch = reject(batch, numbers < parameters.min_characters, "too_short", value=numbers, threshold=parameters.min_characters)
    if parameters.word_list:
        with open(context.local_path(parameters.word_list), encoding="utf-8") as file:
            words = file.read().split()
        for word in words:
            found = pc.match_substring(batch.column("text"), word).to_numpy(zero_copy_only=False)
            batch = reject(batch, found, "listed")
    return batch


SLOW = OperationPart(
    name="test.process",
    summary="Holds the interpreter, so that it runs in processes.",
    implementation=lambda batch, parameters, context: batch,
    releases_gil=False,
)

WRONG_ROWS = OperationPart(name="test.wrong", summary="Drops a row.", implementation=lambda batch, parameters, context: batch.slice(1))


def write_text(batches, destination, parameters):
    for batch in batches:
        for text in batch.column("text").to_pylist():
            destination.write(text.encode() + b"\n")


TEXT = ExportPart(name="test.text", summary="Lines.", implementation=write_text, suffix=".txt")


def first_word(batch):
    """A key for ``dedup.exact``: the first word of the first column."""
    return pc.list_element(pc.split_pattern(pc.binary_join_element_wise(batch.column(0), "", " "), " "), 0)


def no_key(batch):
    return pa.nulls(len(batch), pa.list_(pa.int8()))


class DatedParameters(Parameters):
    texts: dict[str, tuple[str, ...]]


def list_dated(parameters, snapshot):
    return [SourceUnit(f"dated-{snapshot}", snapshot, options={"snapshot": snapshot})]


def read_dated(unit, parameters, context):
    texts = parameters.texts[unit.options["snapshot"]]
    ids = [f"{unit.options['snapshot']}-{row}" for row in range(len(texts))]
    yield pa.record_batch({"text": pa.array(texts, pa.string()), "native_id": pa.array(ids, pa.string())})


DATED = SourcePart(
    name="test.dated",
    summary="The given texts of a snapshot.",
    parameters=DatedParameters,
    implementation=read_dated,
    units=list_dated,
)
