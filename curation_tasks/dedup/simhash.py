"""SimHash deduplication: of documents whose 64-bit SimHashes differ in at most a few bits, the best stays.

The same steps as ``dedup.fuzzy`` with another signature: bands are choices of blocks of the hash, so that every pair within
the distance meets, and two hashes decide without a text. What a small distance says of two texts is not exact: prefer
``dedup.fuzzy`` unless the datasets to be compared with were made so.
"""

from __future__ import annotations

from curation_tasks.context import ReductionContext
from curation_tasks.dedup.fuzzy import shingling_of
from curation_tasks.dedup.fuzzy_parts import SimhashParameters
from curation_tasks.dedup.near_duplicates import near_duplicates
from curation_tasks.dedup.signatures import Scheme
from curation_tasks.kernels.simhash import BITS
from curation_tasks.kernels.survivors import Measure
from curation_tasks.manifest import Dataset, Decisions
from curation_tasks.parts import check_uses, place_of

REASON = "simhash_duplicate"


def simhash(dataset: Dataset, parameters: SimhashParameters, context: ReductionContext) -> Decisions:
    """Removes each document whose SimHash is within the distance of that of a kept one of better rank.

    Args:
        dataset: With the columns that ``parameters.reads()`` names.
        parameters: See ``SimhashParameters``.
        context: Of the stage.

    Returns:
        Decisions with reason ``simhash_duplicate``, as those of ``dedup.fuzzy``; ``similarity`` is the share of equal bits.

    Raises:
        ConfigError, InputError: As ``dedup.fuzzy``.
    """
    check_uses(parameters.uses(), dataset.schema, place_of(context.stage))
    scheme = simhash_scheme(parameters)
    return near_duplicates(dataset, scheme, context, component_rows=parameters.component_rows, bucket_limit=parameters.bucket_limit)


def simhash_scheme(parameters: SimhashParameters) -> Scheme:
    equal = BITS - parameters.distance
    return Scheme(
        REASON, parameters.column, parameters.keep, shingling_of(parameters), "simhash", BITS // 8, parameters.bands, parameters.distance,
        Measure(True, equal - 1, equal, equal, equal), equal / BITS,
    )  # fmt: skip
