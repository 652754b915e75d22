"""Repeated sentences and paragraphs: what one pass over the documents in the order of rank cuts, however the work is done."""

import dataclasses
import itertools
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_tasks.context import EarlierIndex
from curation_tasks.dedup import key_index
from curation_tasks.dedup import repeated as module
from curation_tasks.dedup.catalog import PARTS, ParagraphsParameters, SentencesParameters
from curation_tasks.dedup.repeated import paragraphs, sentences
from curation_tasks.dedup.rounds import cut_by
from curation_tasks.errors import ConfigError
from curation_tasks.kernels import text_units, unit_comparison

PIECES = ["Alpha one. ", "Beta two! ", "Gamma three. ", "ALPHA  one.\n", "Delta 4. ", "Epsilon five.\n", "\n", "x. "]
TEXTS = st.none() | st.lists(st.sampled_from(PIECES), max_size=7).map("".join)
SHARDS = st.lists(st.lists(TEXTS, max_size=5), max_size=4)


def decide(dataset, parameters, context):
    return (sentences if isinstance(parameters, SentencesParameters) else paragraphs)(dataset, parameters, context)


def read(decisions):
    """``({(shard, row): value}, [(shard, row, start, end, survivor)])`` of what goes."""
    tables = [
        [(shard, pq.read_table(uri).to_pylist()) for shard, uri in enumerate(uris) if uri] for uris in (decisions.uris, decisions.cuts)
    ]
    rejected = {(shard, row["row"]): row["value"] for shard, rows in tables[0] for row in rows}
    cuts = [(shard, row["row"], row["start"], row["end"], row["survivor"]) for shard, rows in tables[1] for row in rows]
    return rejected, cuts


def oracle(shards, parameters):
    """One pass over the documents in the order of rank."""
    divide = text_units.sentences if isinstance(parameters, SentencesParameters) else text_units.paragraphs
    span = parameters.units_in_span
    documents = [(shard, row, text) for shard, texts in enumerate(shards) for row, text in enumerate(texts) if text is not None]
    if parameters.keep.policy == "longest":
        documents.sort(key=lambda d: (-len(d[2]), xxhash.xxh3_64_intdigest(f"doc-{d[0]}-{d[1]}".encode()), d[:2]))
    seen, rejected, cuts = {}, {}, []
    for shard, row, text in documents:
        units = divide(pa.array([text]))
        hashes, characters = unit_comparison.unit_hashes(pa.array([text]), units, parameters.normalization)
        said = list(map(tuple, hashes.tolist()))
        items = [tuple(said[at : at + span]) for at in range(len(said) - span + 1)]
        own, stays = {}, {}
        for at, item in enumerate(items):
            if characters[at : at + span].sum() >= parameters.min_characters:
                if item in seen or item in own:
                    for unit in range(at, at + span):
                        stays.setdefault(unit, seen.get(item, f"doc-{shard}-{row}"))
                own.setdefault(item, f"doc-{shard}-{row}")
        left = len(text) - sum(int(units.characters[unit]) for unit in stays)
        if stays and (left < parameters.min_document_characters or left == 0):
            rejected[shard, row] = float(left)
        else:
            seen = own | seen
        for unit, survivor in sorted(stays.items()):
            start = units.start[unit]
            behind = all(later in stays for later in range(unit, len(said)))
            if behind and unit and unit - 1 not in stays:
                start = units.content_end[unit - 1]
            cuts.append((shard, row, int(start), int(units.end[unit]), survivor))
    return rejected, sorted(cuts)


@settings(max_examples=60)
@given(
    shards=SHARDS, span=st.sampled_from([0, 1, 2, 3]), least=st.sampled_from([0, 12, 30]), keep=st.sampled_from(["first", "longest"]),
    memory=st.sampled_from([2**30, 4000]), reverse=st.booleans(), row_group=st.sampled_from([None, 1, 2]),
)  # fmt: skip
def test_cuts_what_one_pass_in_the_order_of_rank_cuts(
    make_dataset, make_context, in_process_map, shards, span, least, keep, memory, reverse, row_group
):
    options = {"min_document_characters": least, "keep": keep, "min_characters": 3}
    parameters = SentencesParameters(span=span, **options) if span else ParagraphsParameters(**options)
    with tempfile.TemporaryDirectory() as folder:
        dataset = make_dataset(Path(folder), shards, row_group)
        decisions = decide(dataset, parameters, make_context(Path(folder) / "work", in_process_map(reverse=reverse), memory))
        assert read(decisions) == oracle(shards, parameters)
        assert len(decisions.uris) == len(decisions.cuts) == len(shards)


def chained(documents):
    """Each document shares a paragraph with the next one and would be too short without it, so that fates alternate."""
    return [f"shared paragraph {n}\nshared paragraph {n + 1}\nown {n}" for n in range(documents)]


def test_what_a_rejected_document_would_have_kept_stays_with_the_next_one(make_dataset, make_context, tmp_path):
    texts = chained(9)
    parameters = ParagraphsParameters(normalization=[], min_document_characters=30)
    decisions = decide(make_dataset(tmp_path, [texts[:4], texts[4:]]), parameters, make_context(tmp_path / "work"))
    rejected, cuts = read(decisions)
    assert (rejected, cuts) == oracle([texts[:4], texts[4:]], parameters)
    assert list(rejected) == [(0, 1), (0, 3), (1, 1), (1, 3)]
    # What was taken off a rejected document is told too: it repeats what the documents before it keep.
    assert [(shard, row, survivor) for shard, row, _, _, survivor in cuts] == [
        (0, 1, "doc-0-0"),
        (0, 3, "doc-0-2"),
        (1, 1, "doc-1-0"),
        (1, 3, "doc-1-2"),
    ]
    assert decisions.counters == {"repeated": 8, "most_repeated": 2, "rounds": 9}


def test_partitions_order_and_grouping_of_shards_leave_every_byte_the_same(
    make_dataset, make_context, in_process_map, tmp_path, monkeypatch
):
    generator = np.random.default_rng(5)
    words = [f"Sentence number {n} stands here. " for n in range(60)]
    shards = [["".join(words[k] for k in generator.integers(0, 60, 6)) for _ in range(size)] for size in (20, 0, 31, 1)]
    dataset = make_dataset(tmp_path, shards, row_group=7)
    parameters = SentencesParameters(span=1, normalization=[], min_document_characters=100, min_characters=5)
    assert len(oracle(shards, parameters)[0]) > 5
    outputs = []
    for memory, reverse, mappers in itertools.product([2**30, 20_000], [False, True], [512, 2]):
        monkeypatch.setattr(module, "mapper_items", lambda dataset, mappers=mappers: MAPPER_ITEMS(dataset, mappers))
        context = make_context(tmp_path / f"work-{len(outputs)}", in_process_map(reverse=reverse), memory)
        decisions = decide(dataset, parameters, context)
        outputs.append((decisions.counters, [Path(uri).read_bytes() if uri else b"" for uri in (*decisions.uris, *decisions.cuts)]))
    assert all(output == outputs[0] for output in outputs)
    assert read(decisions) == oracle(shards, parameters)


@pytest.mark.parametrize("kind", [SentencesParameters, ParagraphsParameters])
def test_workers_at_once_leave_every_byte_the_same(make_dataset, make_context, tmp_path, kind):
    generator = np.random.default_rng(6)
    words = [f"Sentence number {n} stands here. " + "\n" * (n % 3 == 0) for n in range(40)]
    shards = [["".join(words[k] for k in generator.integers(0, 40, 9)) for _ in range(25)] for _ in range(4)]
    dataset = make_dataset(tmp_path, shards, row_group=10)
    parameters = kind(min_document_characters=120)
    outputs = []
    for workers in (1, 2, 8):

        def at_once(step, function, items, *arguments, workers=workers):
            with ThreadPoolExecutor(workers) as pool:
                return list(pool.map(lambda item: function(item, *arguments), items))

        context = make_context(tmp_path / f"work-{workers}", at_once, 20_000)
        decisions = decide(dataset, parameters, dataclasses.replace(context, index=str(tmp_path / f"index-{workers}")))
        files = [Path(uri).read_bytes() if uri else b"" for uri in (*decisions.uris, *decisions.cuts)]
        outputs.append((decisions.counters, decisions.index, files))
    assert outputs[1:] == outputs[:1] * 2
    assert read(decisions) == oracle(shards, parameters)


MAPPER_ITEMS = module.mapper_items


def test_a_crash_after_any_item_changes_nothing(make_dataset, make_context, in_process_map, tmp_path):
    texts = chained(5)
    dataset = make_dataset(tmp_path, [texts[:2], texts[2:]])
    parameters = ParagraphsParameters(normalization=[], min_document_characters=30)
    whole = in_process_map()
    expected = read(decide(dataset, parameters, make_context(tmp_path / "whole", whole, 2000)))
    assert expected == oracle([texts[:2], texts[2:]], parameters)
    for crash_at in range(2, whole.calls + 1, 3):
        task_map = in_process_map(crash_at=crash_at)
        work = tmp_path / f"work-{crash_at}"
        with pytest.raises(KeyboardInterrupt):
            decide(dataset, parameters, make_context(work, task_map, 2000))
        assert read(decide(dataset, parameters, make_context(work, task_map, 2**30))) == expected
        assert task_map.calls == whole.calls + 1


@pytest.mark.parametrize(
    ("span", "cut"),
    [(1, [(0, 29), (29, 43)]), (2, [(0, 29), (29, 43)]), (3, [])],
    ids=["one", "two", "three"],
)
def test_as_many_neighbouring_sentences_as_wanted_must_be_repeated(make_dataset, make_context, tmp_path, span, cut):
    first = "The dog barked at the moon. It was full. Nobody slept."
    second = "The dog  barked at the MOON. It was full. \nSomething else."
    decisions = decide(
        make_dataset(tmp_path, [[first, second]]), SentencesParameters(span=span, min_document_characters=5, min_characters=5),
        make_context(tmp_path / "work"),
    )  # fmt: skip
    assert [(start, end) for _, row, start, end, _ in read(decisions)[1] if row == 1] == cut


def test_ccnet_compares_without_accents_digits_and_punctuation(make_dataset, make_context, tmp_path):
    texts = ["Caf\u00e9, page 12:\nEigenes", "cafe page 34\nAnderes Wort", "cafe page 345\nAnderes!"]
    parameters = ParagraphsParameters(min_document_characters=1)
    _, cuts = read(decide(make_dataset(tmp_path, [texts]), parameters, make_context(tmp_path / "work")))
    assert cuts == [(0, 1, 0, 13, "doc-0-0")]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.booleans()), max_size=12))
def test_verdicts_of_groups(rows):
    rows = sorted(rows, key=lambda row: row[:2])
    group, address = (np.array([row[k] for row in rows], np.int64) for k in (0, 1))
    rejected = np.array([row[2] for row in rows], bool)
    cut, keeper = cut_by(group, address, rejected)
    for at in range(len(rows)):
        earlier = [k for k in range(at) if group[k] == group[at]]
        assert cut[at] == any(not rejected[k] or address[k] == address[at] for k in earlier)
        kept = [k for k in range(len(rows)) if group[k] == group[at] and not rejected[k]]
        assert keeper[at] == (kept[0] if kept else len(rows))


@settings(max_examples=30)
@given(
    snapshots=st.lists(SHARDS, min_size=2, max_size=3), span=st.sampled_from([0, 1, 2]), least=st.sampled_from([0, 12]),
    memory=st.sampled_from([2**30, 4000]), partition_rows=st.sampled_from([2, 10**6]),
)  # fmt: skip
def test_snapshot_after_snapshot_cuts_what_one_pass_over_all_cuts(
    make_dataset, make_context, snapshots, span, least, memory, partition_rows
):
    options = {"min_document_characters": least, "min_characters": 3}
    parameters = SentencesParameters(span=span, **options) if span else ParagraphsParameters(**options)
    everything = [shard for shards in snapshots for shard in shards]
    rejected, cuts = oracle(everything, parameters)
    found, earlier, first = ({}, []), [], 0
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_index, "_PARTITION_ROWS", partition_rows)
        for number, shards in enumerate(snapshots):
            place = Path(folder) / str(number)
            ids = [[f"doc-{first + shard}-{row}" for row in range(len(texts))] for shard, texts in enumerate(shards)]
            dataset = make_dataset(place, shards, 2, {"doc_id": ("string", ids)})
            context = make_context(place / "work", memory_per_task=memory)
            context = dataclasses.replace(context, index=str(place / "index"), earlier=tuple(earlier))
            decisions = decide(dataset, parameters, context)
            gone, cut = read(decisions)
            found[0].update({(first + shard, row): value for (shard, row), value in gone.items()})
            found[1].extend((first + shard, *rest) for shard, *rest in cut)
            earlier.append(EarlierIndex(str(number), context.index, decisions.index["digest"]))
            first += len(shards)
    assert found == (rejected, cuts)


def test_an_index_of_other_units_is_refused(make_dataset, make_context, tmp_path):
    context = dataclasses.replace(make_context(tmp_path / "work"), index=str(tmp_path / "index"))
    decisions = decide(make_dataset(tmp_path, [["a b c"]]), SentencesParameters(span=2), context)
    earlier = (EarlierIndex("first", context.index, decisions.index["digest"]),)
    with pytest.raises(ConfigError, match="span: 2 there, 3 here"):
        decide(
            make_dataset(tmp_path / "2", [["a"]]), SentencesParameters(), dataclasses.replace(make_context(tmp_path / "3"), earlier=earlier)
        )


@pytest.mark.parametrize("name", ["dedup.sentences", "dedup.paragraphs"])
def test_the_parts_say_that_they_rewrite_the_text(name):
    (part,) = [part for part in PARTS if part.name == name]
    parameters = part.parameters(keep={"policy": "score", "column": "quality"})
    assert part.reads_of(parameters) == ("doc_id", "text", "quality")
    assert part.rewrites == ("text",)
    assert part.load().__name__ == name.removeprefix("dedup.")
