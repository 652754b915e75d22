"""The test kit finds each way of breaking the contract."""

import itertools

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from pydantic import Field

from curation_tasks.parts import FilePath, Parameters, operation
from curation_tasks.schema import REJECTION_COLUMNS, reject, with_columns
from curation_tasks.testing import TRAPS, check_operation, context_for, documents, fingerprint


def lengths(batch):
    return pc.fill_null(pc.utf8_length(batch.column("text")), 0)


def honest(batch, parameters, context):
    """Counts characters and rejects long texts."""
    count = lengths(batch).cast(pa.int64())
    context.count("seen", len(batch))
    long = count.to_numpy() > 100
    return reject(with_columns(batch, {"length": count}), long, "long.max", value=count.to_numpy(), threshold=100)


DECLARED = {"adds": {"length": "int64"}, "rejects": ["long.max"]}


def broken(change, **declared):
    """The honest operation with its output changed."""
    name = declared.pop("name", "test.broken")

    @operation(name, **{**DECLARED, **declared})
    def part(batch, parameters, context):
        return change(honest(batch, parameters, context))

    return part


def set_column(name, values):
    return lambda batch: with_columns(batch, {name: values(batch)})


def test_an_honest_operation_passes():
    check_operation(operation("test.honest", **DECLARED, thresholds={"long.max": ("length", 100)})(honest))


def test_columns_that_it_reads_are_made_up():
    @operation("test.reader", reads=["text", "url", "tags", "score"], adds={"copy": "double"})
    def reader(batch, parameters, context):
        return with_columns(batch, {"copy": batch.column("score")})

    check_operation(reader, columns={"tags": "list<string>", "score": "double"}, huge=False)


numbers = itertools.count()

BROKEN = {
    "rows became": broken(lambda batch: batch.slice(1)),
    "columns are missing": broken(lambda batch: batch.drop_columns(["length"])),
    "not declared in `adds`": broken(set_column("surprise", lengths)),
    "is declared as int64 and has type double": broken(set_column("length", lambda batch: lengths(batch).cast(pa.float64()))),
    "is not declared in `rewrites`": broken(set_column("text", lambda batch: pc.utf8_upper(batch.column("text")))),
    "column 'doc_id' is not declared": broken(lambda batch: batch.take(pa.array(range(len(batch))[::-1]))),
    "which `rejects` does not declare": broken(lambda batch: batch, rejects=["other"]),
    "reject by `schema.reject`": broken(set_column("failed_rules", lambda batch: pa.nulls(len(batch), pa.list_(pa.string())))),
    "a second run": broken(set_column("length", lambda batch: pa.array([next(numbers)] * len(batch), pa.int64()))),
    "batches of 1": broken(set_column("length", lambda batch: pa.array([len(batch)] * len(batch), pa.int64()))),
    "not a pyarrow.RecordBatch": broken(lambda batch: pa.Table.from_batches([batch])),
    "`thresholds` names the reason": broken(lambda batch: batch, thresholds={"short.min": ("length", 1)}),
    "`thresholds` names the column": broken(lambda batch: batch, thresholds={"long.max": ("size", 1)}),
    "no column type": broken(lambda batch: batch, adds={"length": "number"}),
}


@pytest.mark.parametrize("complaint", BROKEN)
def test_a_broken_promise_is_named(complaint):
    with pytest.raises(AssertionError) as raised:
        check_operation(BROKEN[complaint], huge=False)
    assert "test.broken: " in str(raised.value)
    assert complaint in str(raised.value)


def test_an_empty_batch_needs_its_columns_too():
    with pytest.raises(AssertionError, match="columns are missing"):
        check_operation(broken(lambda batch: batch if len(batch) else batch.drop_columns(["length"])), huge=False)


def test_writing_into_the_input_is_found():
    @operation("test.vandal")
    def vandal(batch, parameters, context):
        import numpy as np

        data = batch.column("text").buffers()[2]
        view = np.frombuffer(data, np.uint8)
        writable = np.ctypeslib.as_array((np.ctypeslib.ctypes.c_uint8 * len(view)).from_address(data.address))
        writable[-1] ^= 1
        return batch

    with pytest.raises(AssertionError, match="changed its input"):
        check_operation(vandal, huge=False)


def test_offsets_of_slices_that_are_forgotten_are_found():
    @operation("test.forgetful", adds={"length": "int64"})
    def forgetful(batch, parameters, context):
        import numpy as np

        text = batch.column("text")
        width = np.int64 if pa.types.is_large_string(text.type) else np.int32
        offsets = np.frombuffer(text.buffers()[1], width)
        return with_columns(batch, {"length": np.diff(offsets)[: len(batch)].astype(np.int64)})

    with pytest.raises(AssertionError, match="'length' differs in"):
        check_operation(forgetful, huge=False)


def test_an_earlier_rejection_that_is_forgotten_is_found():
    @operation("test.careless", **DECLARED)
    def careless(batch, parameters, context):
        return honest(batch.select([name for name in batch.schema.names if name not in REJECTION_COLUMNS]), parameters, context)

    with pytest.raises(AssertionError, match="rejected before"):
        check_operation(careless, huge=False)


def test_a_fingerprint_tells_outputs_and_counters_apart():
    same, other = (operation("test.honest", **DECLARED)(honest) for _ in range(2))
    louder = broken(lambda batch: set_column("length", lambda batch: pc.add(batch.column("length"), 1))(batch))
    assert fingerprint(same) == fingerprint(other)
    assert fingerprint(same) != fingerprint(louder)


class Options(Parameters):
    size: int = Field(3, ge=1)
    words: FilePath | None = None


def test_an_example_that_is_not_valid_is_found():
    with pytest.raises(AssertionError, match="`example`"):
        check_operation(broken(lambda batch: batch, parameters=Options, example={"size": 0}), huge=False)


def test_files_of_parameters_are_read_from_where_they_are(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("dog")

    @operation("test.words", parameters=Options, adds={"found": "bool"})
    def words(batch, parameters, context):
        with open(context.local_path(parameters.words)) as file:
            word = file.read()
        return with_columns(batch, {"found": pc.fill_null(pc.match_substring(batch.column("text"), word), False)})

    check_operation(words, {"words": str(path)}, huge=False)
    assert context_for(Options(words=str(path))).files == {str(path): str(path)}


@given(batch=documents(min_rows=1))
def test_drawn_documents_have_the_columns_of_documents(batch):
    assert batch.schema.names == ["doc_id", "text", "source", "snapshot"]
    assert len(batch) >= 1
    batch.validate(full=True)


def test_the_traps_hold_what_the_contract_speaks_of():
    assert "" in TRAPS
    assert None in TRAPS
    assert any(text and max(text) > "\uffff" for text in TRAPS)
