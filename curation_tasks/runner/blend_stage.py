"""A blend: documents of several datasets by weight."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from curation_tasks.errors import InputError
from curation_tasks.kernels.identity import hashed_uniform
from curation_tasks.runner.ledger import Ledger, split_rejected, unit_result
from curation_tasks.runner.stage import Stage, common_schema
from curation_tasks.runner.units import run_units, unit_name
from curation_tasks.runner.work import Work
from curation_tasks.schema import reject
from curation_tasks.storage.shard import ShardWriter, read_shard, text_bytes_of

if TYPE_CHECKING:
    from distributed import Client

#: Why a blend leaves out a document.
NOT_SAMPLED = "not_sampled"


class BlendStage(Stage):
    """Mixes its inputs."""

    def results(self, client: Client) -> list[dict[str, Any]]:
        ratios = blend_ratios(self.spec["options"], {name: parent.counts for name, parent in self.parents.items()})
        self.schema = common_schema(self.datasets())
        items = []
        for name, parent in self.parents.items():
            shards = self._shard_items([parent.dataset()])
            items += [item | {"index": len(items) + item["index"], "ratio": ratios[name]} for item in shards]
        seed = self.spec["options"]["seed"]
        work = dataclasses.replace(self._work(self.schema), ledger_text=False)
        return run_units(
            client, self.folder, "unit", sample_shard, items, (work, seed), progress=self.around.progress, order=self.around.order
        )


def blend_ratios(options: Mapping[str, Any], counts: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """The share of each input's documents that a blend takes, at most 1.

    Args:
        options: Of the stage, see ``curation_tasks.spec.Blend``.
        counts: Input → counts of its manifest.

    Raises:
        InputError: An input is empty, or the blend is to be larger than the inputs allow without taking a document twice.
    """
    unit, weights = options["unit"], options["weights"]
    sizes = {name: counts[name][unit] for name in counts}
    for name, size in sizes.items():
        if size == 0:
            raise InputError(f"the input {name!r} of the blend has no documents", remedy="leave it out of `weights`, or loosen its filters")
    total = sum(weights.values())
    largest, limiting = min((sizes[name] * total / weights[name], name) for name in sizes)
    wanted = options["size"] or largest
    if wanted > largest:
        raise InputError(
            f"a blend of {wanted:,} {unit} would take documents of {limiting!r} more than once",
            expected=f"`size` of at most {int(largest):,}, which takes all of {limiting!r}",
            remedy=f"lower `size` or the weight of {limiting!r}, or add more of it",
        )
    return {name: min(1.0, wanted * weights[name] / total / sizes[name]) for name in sizes}


def sample_shard(item: Mapping[str, Any], work: Work, seed: int) -> dict[str, Any]:
    """One shard of a blend's input: each document is taken when the number made of its identity and the seed is below the ratio."""
    documents_in = bytes_in = 0
    with (
        Ledger(work, item["index"]) as ledger,
        ShardWriter(work.context.folder, f"part-{unit_name(item['index'])}-0.parquet", work.columns) as writer,
    ):
        for batch in read_shard(item["uri"]):
            documents_in += len(batch)
            bytes_in += text_bytes_of(batch.column("text"))
            chance = hashed_uniform(batch.column("doc_id"), seed)
            batch = reject(batch, chance >= item["ratio"], NOT_SAMPLED, value=chance, threshold=item["ratio"])
            batch, rejected = split_rejected(batch)
            if rejected is not None:
                ledger.write(rejected, "blend")
            writer.write(batch.select(list(work.columns)))
    counts = {"documents_in": documents_in, "text_bytes_in": bytes_in, "documents": writer.rows, "text_bytes": writer.text_bytes}
    return unit_result([writer.shard], ledger, counts | {"rejected": documents_in - writer.rows}, {}) | {"samples": []}
