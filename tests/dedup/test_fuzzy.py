"""Fuzzy deduplication end to end: what greedy decides on exact edges, however the work is cut, ordered or interrupted."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation_tasks.dedup import near_duplicates as module
from curation_tasks.dedup.fuzzy import fuzzy, fuzzy_scheme
from curation_tasks.dedup.fuzzy_parts import FuzzyParameters
from curation_tasks.dedup.rank import ties
from curation_tasks.errors import ConfigError
from curation_tasks.kernels.shingles import distinct_shingles, jaccard
from curation_tasks.kernels.sketch import sketches
from curation_tasks.storage.filesystem import read_bytes

PARAMETERS = FuzzyParameters(width=2)


def versions(seed, families=6, members=5, words=40):
    """Texts of families whose members differ in a few words, in random order; some identical, empty or null."""
    generator = np.random.default_rng(seed)
    texts = [None, "", "alone", "?!"]
    for family in range(families):
        text = [f"w{number}" for number in generator.integers(0, 5000, words)]
        for _ in range(members):
            texts.append(" ".join(text))
            for place in generator.integers(0, words, generator.integers(0, 4)):
                text[place] = f"x{generator.integers(0, 5000)}"
        if family % 2:
            texts.append(texts[-1].upper() + " ")
    return [texts[place] for place in generator.permutation(len(texts))]


def cut(texts, shards):
    bounds = np.linspace(0, len(texts), shards + 1).astype(int)
    return [texts[start:end] for start, end in itertools.pairwise(bounds)]


def read(decisions):
    """(shard, row) → evidence, and the order of each file checked on the way."""
    found = {}
    for shard, uri in enumerate(decisions.uris):
        if uri:
            rows = pq.read_table(uri).to_pylist()
            assert rows
            assert [row["row"] for row in rows] == sorted(row["row"] for row in rows)
            found |= {(shard, row.pop("row")): row for row in rows}
    return found


def oracle(shards, parameters):
    """Greedy in rank order (that of rows) over all pairs that share a band: (shard, row) → survivor, similarity and kind."""
    scheme = fuzzy_scheme(parameters)
    places = [(shard, row) for shard, texts in enumerate(shards) for row in range(len(texts))]
    texts = pa.array([text for texts in shards for text in texts], pa.string())
    signed = sketches(texts, scheme.shingling, scheme.size, scheme.bands, scheme.rows)
    offsets, shingles = distinct_shingles(texts, scheme.shingling)
    first, kept, removed = {}, [], {}
    for document, place in enumerate(places):
        if not signed.shingles[document]:
            continue
        twin = first.setdefault((signed.shingles[document], *signed.fingerprints[:, document]), document)
        if twin != document:
            removed[place] = removed.get(places[twin], (twin, 1.0, "exact"))
            continue
        sure, checked = [], []
        for other in kept:
            if not (signed.bands[:, document] == signed.bands[:, other]).any():
                continue
            equal = int((signed.bytes[document] == signed.bytes[other]).sum())
            if equal >= scheme.measure.accept:
                sure.append((other, float(scheme.similarity(np.array(equal))), "estimate"))
            elif equal > scheme.measure.reject:
                exact = float(jaccard(offsets, shingles, np.array([document]), np.array([other]))[0])
                checked += [(other, exact, "exact")] if exact >= parameters.threshold else []
        if sure or checked:
            removed[place] = (sure or checked)[0]
        else:
            kept.append(document)
    names = {document: f"doc-{shard}-{row}" for document, (shard, row) in enumerate(places)}
    return {place: (names[other], similarity, kind) for place, (other, similarity, kind) in removed.items()}


def told(found):
    return {place: (row["survivor"], row["similarity"], row["similarity_kind"]) for place, row in found.items()}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("verify", ["two_stage", "exact", "estimate"])
def test_decides_as_greedy_over_all_pairs(make_dataset, make_context, tmp_path, seed, verify):
    parameters = FuzzyParameters(width=2, verify=verify)
    shards = cut(versions(seed), 3)
    decisions = fuzzy(make_dataset(tmp_path, shards), parameters, make_context(tmp_path / "work"))
    found, expected = read(decisions), oracle(shards, parameters)
    assert told(found) == expected
    assert {row["reason"] for row in found.values()} == {"fuzzy_duplicate"}
    assert decisions.counters["removed"] == len(expected) > 10
    assert decisions.counters["without_shingles"] == 3
    # A cluster is named by its best document, and all that name one survivor are in one.
    clusters = {}
    for row in found.values():
        assert clusters.setdefault(row["survivor"], row["cluster"]) == row["cluster"]
    named = {f"{tie:016x}" for tie in ties(pa.array(list(clusters)))}
    assert set(clusters.values()) <= named


def test_neither_partitions_nor_windows_nor_order_change_a_byte(make_dataset, make_context, in_process_map, tmp_path, monkeypatch):
    dataset = make_dataset(tmp_path, cut(versions(11, families=4, members=6), 4), row_group=7)
    outputs = []
    settings = [(2**30, False, None), (2**30, True, 2), (20_000, False, 3), (20_000, True, None)]
    for number, (memory, reverse, rows) in enumerate(settings):
        monkeypatch.setattr(module, "SLICE_BYTES", 10_000 if number % 2 else 10**9)
        monkeypatch.setattr(module, "FOLLOWS", 1 if number % 2 else 4)
        context = make_context(tmp_path / f"work-{number}", in_process_map(reverse=reverse), memory)
        decisions = fuzzy(dataset, PARAMETERS.model_copy(update={"component_rows": rows}), context)
        steps = {step for step, _ in context.map.finished}
        assert ("cross-0-1" in steps) == (rows is not None)
        assert ("bands-1" in steps) == bool(number % 2)
        assert any(step.startswith("stars") for step in steps) == (memory == 20_000 or (memory == 60_000 and False)) or memory < 2**30
        outputs.append((decisions.counters, [Path(uri).read_bytes() if uri else b"" for uri in decisions.uris]))
    assert all(output == outputs[0] for output in outputs)


@pytest.mark.parametrize("verify", ["two_stage", "exact", "estimate"])
@pytest.mark.parametrize("seed", range(2))
def test_crowded_tasks_decide_the_same(make_dataset, make_context, in_process_map, tmp_path, monkeypatch, seed, verify):
    """With texts at hand, in small windows: the same bytes as by sketches first, clusters included, hot buckets or none."""
    monkeypatch.setattr(module, "HOT_BUCKET", [256, 3][seed])
    dataset = make_dataset(tmp_path, cut(versions(seed, families=8, members=7), 3), row_group=7)
    parameters = FuzzyParameters(width=2, verify=verify)
    expected = fuzzy(dataset, parameters, make_context(tmp_path / "usual"))
    assert expected.effort["crowded_tasks"] == 0
    for number, (comparisons, rows, memory) in enumerate([(5, None, 2**30), (1, 3, 40_000)]):
        monkeypatch.setattr(module, "TASK_COMPARISONS", comparisons)
        context = make_context(tmp_path / f"crowded-{number}", in_process_map(reverse=True), memory)
        decisions = fuzzy(dataset, parameters.model_copy(update={"component_rows": rows}), context)
        assert decisions.effort["crowded_tasks"] > 0
        assert any(step.startswith("crowded-cross-1") for step, _ in context.map.finished)
        assert decisions.counters == expected.counters
        assert [uri and read_bytes(uri) for uri in decisions.uris] == [uri and read_bytes(uri) for uri in expected.uris]


def test_a_crash_in_a_crowded_task_changes_nothing(make_dataset, make_context, in_process_map, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TASK_COMPARISONS", 2)
    dataset = make_dataset(tmp_path, [[*chain(4), chain(2)[1], "else"]])
    whole = in_process_map()
    expected = [uri and read_bytes(uri) for uri in fuzzy(dataset, WORDS, make_context(tmp_path / "whole", whole)).uris]
    steps = [step for step, _ in whole.finished]
    assert "crowded-cross-1" in steps
    for crash_at in [number for number, step in enumerate(steps, 1) if step.startswith("crowded") and step not in steps[number:]]:
        task_map, work = in_process_map(crash_at=crash_at), tmp_path / f"work-{crash_at}"
        with pytest.raises(KeyboardInterrupt):
            fuzzy(dataset, WORDS, make_context(work, task_map))
        decisions = fuzzy(dataset, WORDS, make_context(work, task_map, 2**28))
        assert [uri and read_bytes(uri) for uri in decisions.uris] == expected
        assert task_map.calls == whole.calls + 1


def test_a_crash_in_any_step_changes_nothing(make_dataset, make_context, in_process_map, tmp_path):
    dataset = make_dataset(tmp_path, [[*chain(4), chain(2)[1], "else"]])
    parameters = FuzzyParameters(width=1, component_rows=3)
    whole = in_process_map()
    context = make_context(tmp_path / "whole", whole)
    expected = [uri and read_bytes(uri) for uri in fuzzy(dataset, parameters, context).uris]
    steps = [step for step, _ in whole.finished]
    assert {"cross-0-1", "exact-0"} <= set(steps)
    # Each dies with the files of an item written and its result not.
    for crash_at in [number for number, step in enumerate(steps, 1) if step not in steps[number:]]:
        task_map, work = in_process_map(crash_at=crash_at), tmp_path / f"work-{crash_at}"
        with pytest.raises(KeyboardInterrupt):
            fuzzy(dataset, parameters, make_context(work, task_map))
        # The retry is given other memory.
        decisions = fuzzy(dataset, parameters, make_context(work, task_map, 2**28))
        assert [uri and read_bytes(uri) for uri in decisions.uris] == expected
        assert task_map.calls == whole.calls + 1


def text_of(*numbers):
    return " ".join(f"w{number}" for number in numbers)


WORDS = FuzzyParameters(width=1, verify="exact", threshold=0.7, recall=0.999, hashes=512)


def chain(length):
    """Neighbours have J = 18 ÷ 22, documents two apart 16 ÷ 24."""
    return [text_of(*range(2 * link, 2 * link + 20)) for link in range(length)]


@pytest.mark.parametrize(
    ("texts", "kept"), [(chain(5), [0, 2, 4]), (chain(5)[::-1], [0, 2, 4]), ([chain(3)[1], chain(3)[0], chain(3)[2]], [0])]
)
def test_a_chain_never_loses_a_document_without_a_twin(make_dataset, make_context, tmp_path, texts, kept):
    """Removing all but one of a component would leave the end of the chain without a similar document."""
    found = read(fuzzy(make_dataset(tmp_path, [texts]), WORDS, make_context(tmp_path / "work")))
    assert [row for row in range(len(texts)) if (0, row) not in found] == kept
    assert len({row["cluster"] for row in found.values()}) == 1


def test_identical_documents_follow_the_one_that_stands_for_them(make_dataset, make_context, tmp_path):
    """Even when that is removed by an outsider: they are as similar to the outsider."""
    first, second = chain(2)
    found = read(fuzzy(make_dataset(tmp_path, [[first], [second, second.upper(), f" {second}\n"]]), WORDS, make_context(tmp_path / "work")))
    assert told(found) == {(1, row): ("doc-0-0", 18 / 22, "exact") for row in range(3)}


@pytest.mark.parametrize("component_rows", [None, 50])
def test_near_identical_documents_whose_first_is_removed_by_an_outsider(make_dataset, make_context, tmp_path, component_rows):
    """Only the texts tell that it is removed. The family then stands on its own second member, at a cost that is not quadratic."""
    outsider, first = chain(2)
    family = [f"{first} extra{number}" for number in range(300)]
    parameters = FuzzyParameters(width=1, component_rows=component_rows)
    decisions = fuzzy(make_dataset(tmp_path, [[outsider, first, *family]]), parameters, make_context(tmp_path / "work"))
    found = read(decisions)
    assert (0, 0) not in found
    assert told(found)[0, 1] == ("doc-0-0", 18 / 22, "exact")
    assert (0, 2) not in found
    assert len(found) == 300
    assert decisions.effort["comparisons"] < 8 * 302


def test_documents_left_without_a_survivor_are_compared_again(make_dataset, make_context, in_process_map, tmp_path):
    """Four open documents at the head of a family are all removed by one outsider, which is not similar to the rest."""
    outsider = text_of(*range(100))
    heads = [text_of(*range(11, 100), *range(1000, 1009), 2000 + number) for number in range(4)]
    family = [text_of(*range(12, 100), *range(1000, 1009), 3000 + number, 4000 + number) for number in range(30)]
    shards = [[outsider, *heads, *family]]
    context = make_context(tmp_path / "work", in_process_map())
    decisions = fuzzy(make_dataset(tmp_path, shards), FuzzyParameters(width=1), context)
    assert "compare-1-0" in {step for step, _ in context.map.finished}
    found = read(decisions)
    assert told(found) == oracle(shards, FuzzyParameters(width=1))
    assert [(0, row) in found for row in range(6)] == [False, True, True, True, True, False]


def test_a_family_below_the_threshold_stays_and_its_bucket_may_cost_too_much(make_dataset, make_context, tmp_path, monkeypatch):
    """Half of each text is the same: bands of one row make the family one bucket."""
    texts = [text_of(*range(20), *range(1000 * number, 1000 * number + 8)) for number in range(1, 601)]
    many = FuzzyParameters(width=1, threshold=0.9, bands=20, rows=1)
    dataset = make_dataset(tmp_path, [texts])
    decisions = fuzzy(dataset, many, make_context(tmp_path / "work"))
    assert decisions.counters["removed"] == 0
    assert decisions.effort["comparisons"] > 100_000
    # What a bucket costs is added up over windows and tasks, so they all fail alike.
    messages = set()
    for number, (rows, tasks) in enumerate([(None, 10**10), (50, 10**10), (None, 2_000)]):
        monkeypatch.setattr(module, "TASK_COMPARISONS", tasks)
        limited = many.model_copy(update={"bucket_comparisons": 50_000, "component_rows": rows})
        with pytest.raises(ConfigError, match=r"a bucket of \d+ documents .* more than 50,000 comp(.|\n)*on_hot_bucket: exact") as error:
            fuzzy(dataset, limited, make_context(tmp_path / f"limited-{number}"))
        messages.add(str(error.value))
    assert len(messages) == 1
    assert "doc-0-" in messages.pop()
    paid = limited.model_copy(update={"on_hot_bucket": "exact"})
    assert fuzzy(dataset, paid, make_context(tmp_path / "paid")).counters == decisions.counters


def test_ties_of_a_policy_are_broken_by_the_hash_of_the_identity(make_dataset, make_context, tmp_path):
    texts = [f"{text_of(*range(30))} {end}" for end in "abcd"]
    scores = {"score": ("int64", [[1, 1, 1, 1]])}
    dataset = make_dataset(tmp_path, [texts], columns=scores)
    parameters = FuzzyParameters(width=1, keep={"policy": "score", "column": "score"})
    best = int(np.argmin(ties(pa.array([f"doc-0-{row}" for row in range(4)]))))
    found = read(fuzzy(dataset, parameters, make_context(tmp_path / "work")))
    assert sorted(found) == [(0, row) for row in range(4) if row != best]
    assert {row["survivor"] for row in found.values()} == {f"doc-0-{best}"}


@pytest.mark.parametrize("ends", ["ab", "aa"], ids=["similar", "identical"])
@pytest.mark.parametrize("shards", [1, 2])
def test_of_two_documents_of_one_identity_the_first_stays(make_dataset, make_context, tmp_path, ends, shards):
    """Their ties are equal: the place decides, that of the shard before that of the row."""
    texts = [f"{text_of(*range(30))} {end}" for end in ends]
    per_shard = [texts] if shards == 1 else [texts[:1], texts[1:]]
    # A column of this name takes the place of the fixture's own identities.
    names = [["one-name"] * len(part) for part in per_shard]
    dataset = make_dataset(tmp_path, per_shard, columns={"doc_id": ("string", names)})
    found = read(fuzzy(dataset, FuzzyParameters(width=1), make_context(tmp_path / "work")))
    assert list(found) == [(0, 1) if shards == 1 else (1, 0)]
    assert {row["survivor"] for row in found.values()} == {"one-name"}


def test_texts_without_words_are_left_to_exact_deduplication(make_dataset, make_context, tmp_path):
    decisions = fuzzy(
        make_dataset(tmp_path, [["", "", None, "?", "? "], ["one", "One", "two"]]), FuzzyParameters(), make_context(tmp_path / "work")
    )
    assert list(read(decisions)) == [(1, 1)]
    assert decisions.counters["without_shingles"] == 5


def test_an_empty_dataset_decides_nothing(make_dataset, make_context, tmp_path):
    for number, shards in enumerate([[], [[]], [[], []]]):
        dataset = make_dataset(tmp_path / str(number), shards)
        decisions = fuzzy(dataset, FuzzyParameters(), make_context(tmp_path / f"work-{number}"))
        assert decisions.uris == [""] * len(shards)
        assert not any(decisions.counters.values())


def test_a_forged_meeting_in_every_bucket_removes_nothing(make_dataset, make_context, tmp_path, monkeypatch):
    """Buckets only propose: two documents that share them all and are not similar both stay."""
    from curation_tasks.dedup import signatures

    real = signatures.sketches

    def forged(*arguments):
        found = real(*arguments)
        found.bands[:] = found.bands[:, :1]
        return found

    monkeypatch.setattr(signatures, "sketches", forged)
    dataset = make_dataset(tmp_path, [[text_of(*range(30)), text_of(*range(20, 60)), text_of(*range(100, 130))]])
    decisions = fuzzy(dataset, FuzzyParameters(width=1), make_context(tmp_path / "work"))
    assert decisions.effort["comparisons"] == 3
    assert read(decisions) == {}


@pytest.mark.parametrize(
    ("keep", "removed"),
    [("first", [1, 2]), ("longest", [0, 2]), ({"policy": "source", "column": "doc_id", "priority": ["doc-0-2"]}, [0, 1])],
)
def test_the_policy_says_which_one_stays(make_dataset, make_context, tmp_path, keep, removed):
    texts = [f"{text_of(*range(30))} {end}" for end in ("a", "longer", "b")]
    parameters = FuzzyParameters(width=1, keep=keep)
    assert [row for _, row in read(fuzzy(make_dataset(tmp_path, [texts]), parameters, make_context(tmp_path / "work")))] == removed


def test_the_same_similarity_by_characters(make_dataset, make_context, tmp_path):
    text = "the quick brown fox jumps over the lazy dog and runs away from the angry farmer who shouts a lot " * 2
    texts = [
        text,
        text.replace("lazy", "hazy"),
        text.replace("\u0020", "\u3000").upper(),
        "something else entirely, and long enough for a shingle",
    ]
    parameters = FuzzyParameters(shingles="characters", width=5)
    found = read(fuzzy(make_dataset(tmp_path, [texts]), parameters, make_context(tmp_path / "work")))
    assert sorted(found) == [(0, 1), (0, 2)]
    assert found[0, 2]["similarity"] == 1.0


def test_all_pairs_can_be_listed(make_dataset, make_context, tmp_path):
    """For evaluation: also the pairs of two removed documents, and those of identical ones."""
    shards = cut(versions(2), 2)
    parameters = FuzzyParameters(width=2, report_pairs=True)
    decisions = fuzzy(make_dataset(tmp_path, shards), parameters, make_context(tmp_path / "work"))
    assert told(read(decisions)) == oracle(shards, parameters)
    listed = {
        tuple(row) for row in zip(*(pq.read_table(tmp_path / "work" / "pairs.parquet")[name].to_pylist() for name in "ab"), strict=True)
    }
    scheme = fuzzy_scheme(parameters)
    names = [f"doc-{shard}-{row}" for shard, texts in enumerate(shards) for row in range(len(texts))]
    texts = pa.array([text for texts in shards for text in texts], pa.string())
    offsets, shingles = distinct_shingles(texts, scheme.shingling)
    bands = sketches(texts, scheme.shingling, scheme.size, scheme.bands, scheme.rows).bands
    pairs = [(a, b) for a, b in itertools.combinations(range(len(texts)), 2) if offsets[a] < offsets[a + 1] and offsets[b] < offsets[b + 1]]
    exact = jaccard(offsets, shingles, *(np.array(side) for side in zip(*pairs, strict=True)))
    # Beyond doubt the sketch decides, so pairs close to the threshold may differ.
    for (a, b), similarity in zip(pairs, exact, strict=True):
        if (bands[:, a] == bands[:, b]).any() and abs(similarity - 0.8) > 0.05:
            assert (tuple(sorted((names[a], names[b]))) in listed) == (similarity >= 0.8)


def test_a_column_that_is_not_text_is_refused(make_dataset, make_context, tmp_path):
    with pytest.raises(ConfigError, match="column 'body', which does not exist; known: doc_id, text"):
        fuzzy(make_dataset(tmp_path, [["a"]]), FuzzyParameters(column="body"), make_context(tmp_path / "work"))


def test_object_storage_serves_as_well_as_a_disk(make_dataset, make_context, bucket, tmp_path):
    shards = cut(versions(4, families=3), 2)
    here = fuzzy(make_dataset(tmp_path, shards), PARAMETERS, make_context(tmp_path / "work"))
    there = fuzzy(make_dataset(f"{bucket}/data", shards), PARAMETERS, make_context(f"{bucket}/work"))
    assert there.counters == here.counters
    assert [uri and read_bytes(uri) for uri in there.uris] == [uri and read_bytes(uri) for uri in here.uris]


def test_one_word_is_the_same_or_another(make_dataset, make_context, tmp_path):
    dataset = make_dataset(tmp_path, [["one", "two", "ONE.", "one two"]])
    for verify in ("two_stage", "exact", "estimate"):
        found = read(fuzzy(dataset, FuzzyParameters(verify=verify), make_context(tmp_path / verify)))
        assert told(found) == {(0, 2): ("doc-0-0", 1.0, "exact")}


def test_a_document_of_a_million_words_is_one_of_many(make_dataset, make_context, tmp_path):
    words = [f"{number:x}" for number in range(10**6)]
    other = " ".join([*words[:-1000], "an", "end", "of", "its", "own"])
    shards = [[" ".join(words), "short"], [other, "short too"]]
    decisions = fuzzy(make_dataset(tmp_path, shards), FuzzyParameters(), make_context(tmp_path / "work"))
    assert list(read(decisions)) == [(1, 0)]


@pytest.mark.parametrize("workers", [2, 8])
def test_workers_at_once_give_the_same(make_dataset, make_context, tmp_path, workers):
    dataset = make_dataset(tmp_path, cut(versions(11, families=4, members=6), 4))

    def at_once(step, function, items, *arguments):
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(lambda item: function(item, *arguments), items))

    parameters = PARAMETERS.model_copy(update={"component_rows": 3})
    expected = fuzzy(dataset, PARAMETERS, make_context(tmp_path / "one"))
    decisions = fuzzy(dataset, parameters, make_context(tmp_path / "many", at_once, 40_000))
    assert decisions.counters == expected.counters
    assert [uri and read_bytes(uri) for uri in decisions.uris] == [uri and read_bytes(uri) for uri in expected.uris]
