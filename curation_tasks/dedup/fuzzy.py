"""Fuzzy deduplication: of documents with a Jaccard similarity of at least a threshold, the best stays.

Sketches find the pairs, and the texts decide where sketches cannot. Every removed document has a kept one that it is
similar to, and no two kept ones that share a bucket are similar: see ``curation_tasks.kernels.survivors``. Removing all but
one of a connected component, as is usual, would leave up to a tenth of the removed documents without a similar kept one.

Source:
    Broder: On the resemblance and containment of documents, 1997; Leskovec, Rajaraman, Ullman: Mining of massive datasets,
    section 3.4 (bands); the sketch: ``curation_tasks.kernels.sketch``.
"""

from __future__ import annotations

from curation_tasks.context import ReductionContext
from curation_tasks.dedup.bands import verdicts
from curation_tasks.dedup.fuzzy_parts import FuzzyParameters, Near
from curation_tasks.dedup.near_duplicates import near_duplicates
from curation_tasks.dedup.signatures import Scheme
from curation_tasks.kernels.shingles import Shingling
from curation_tasks.kernels.survivors import Measure
from curation_tasks.manifest import Dataset, Decisions
from curation_tasks.parts import check_uses, place_of

REASON = "fuzzy_duplicate"


def fuzzy(dataset: Dataset, parameters: FuzzyParameters, context: ReductionContext) -> Decisions:
    """Removes each document that is similar to a kept one of better rank.

    Args:
        dataset: With the columns that ``parameters.reads()`` names.
        parameters: See ``FuzzyParameters``.
        context: Of the stage.

    Returns:
        Decisions with reason ``fuzzy_duplicate``; ``cluster`` names the best document of the cluster by the hash of its
        ``doc_id`` (16 hexadecimal digits), ``survivor`` is the ``doc_id`` of the document kept instead, ``similarity`` the
        Jaccard similarity to it and ``similarity_kind`` how that was found: ``exact`` (by the texts, or shingles identical),
        ``estimate`` (by the sketches, beyond doubt) or ``estimate_no_text`` (by the sketches, for want of an earlier text).
        Counters: ``removed``, ``identical``, ``without_shingles``, ``largest_component``, ``removed_without_text``. Effort:
        ``comparisons`` of sketches, ``grey_pairs`` that the texts decided, ``grey_pairs_without_text``, ``largest_windows`` of a
        component, and ``crowded_tasks``.

    Raises:
        ConfigError: The column does not hold text; a bucket costs too much; an earlier index is of other parameters.
        InputError: An earlier index is missing or not whole.
    """
    check_uses(parameters.uses(), dataset.schema, place_of(context.stage))
    return near_duplicates(
        dataset, fuzzy_scheme(parameters), context, component_rows=parameters.component_rows, bucket_limit=parameters.bucket_limit
    )


def fuzzy_scheme(parameters: FuzzyParameters) -> Scheme:
    banding, bounds = parameters.banding, parameters.verdicts
    # Where all pairs go to the texts, links between clusters do so only when in doubt.
    links = verdicts(banding.sketch, parameters.threshold, parameters.error) if parameters.verify == "exact" else bounds
    return Scheme(
        REASON, parameters.column, parameters.keep, shingling_of(parameters), "sketch", banding.sketch, banding.bands, banding.rows,
        Measure(False, bounds.reject, bounds.accept, links.accept, links.reject + 1), parameters.threshold, parameters.report_pairs,
    )  # fmt: skip


def shingling_of(parameters: Near) -> Shingling:
    """What the parameters say a text is."""
    return Shingling(
        parameters.shingles, parameters.shingle_width, "lower" in parameters.normalization, "whitespace" in parameters.normalization,
        parameters.words, parameters.seed,
    )  # fmt: skip
