"""Lines removed by the rules of C4 or RefinedWeb, on whole Arrow buffers.

What C4 means here, where its implementations differ:

- A line is what ``str.splitlines`` gives, a word what ``str.split`` gives, as in datatrove; kept lines are stripped.
- Texts and decisions are those of datatrove's ``C4QualityFilter`` with ``min_num_sentences=-1``: sentences are a signal of their own
  (``filters.quality``). But a document that has both *lorem ipsum* and a bracket is rejected for the former, whichever comes first,
  digits of citations are ASCII, and the case of phrases is ignored for ASCII letters only.

What RefinedWeb means here: lines stand between line feeds, as in DCLM; words between white space (DCLM: words of Unicode without
punctuation). Phrases are cut out first, so that a line of which too little is left goes as a whole; counters are known in any case
and in the singular. A document in which nothing is removed keeps every byte.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation_tasks.cleaning.line_parameters import C4Lines, LinesParameters
from curation_tasks.cleaning.removal import removed
from curation_tasks.context import RunContext
from curation_tasks.kernels.c4_lines import C4Rules, c4_lines
from curation_tasks.kernels.refinedweb_lines import RefinedWebRules, refinedweb_lines


def lines(batch: pa.RecordBatch, parameters: LinesParameters, context: RunContext) -> pa.RecordBatch:
    """Removes lines and rejects documents that lose too much.

    Reads: ``text``. Rewrites: ``text`` (of documents that it keeps). Adds: for rules R the columns ``R_removed_line_count`` (blank
    lines do not count), ``R_removed_word_count``, ``R_removed_character_count``, ``R_removed_word_ratio``, and for C4
    ``c4_lorem_ipsum_count`` and ``c4_curly_bracket_count`` (lines). Rejects: ``c4.lorem_ipsum``, ``c4.curly_bracket``,
    ``R.removed_word_ratio.max``. Counters: ``cleaning.lines.changed`` (documents).

    Source: C4, arXiv:1910.10683; RefinedWeb, arXiv:2306.01116, appendix G.2.
    """
    rules, texts = parameters.rules, batch.column("text")
    options = rules.model_dump(exclude={"name", "reject"})
    if isinstance(rules, C4Lines):
        new_texts, counts = c4_lines(texts, C4Rules(**options))
        more = {f"c4_{what}_count": counts[what] for what in ("lorem_ipsum", "curly_bracket")}
        judged = {f"c4.{what}": counts[what] for what in rules.reject}
    else:
        new_texts, counts = refinedweb_lines(texts, RefinedWebRules(**options))
        more, judged = {}, {}
    columns = {f"{rules.name}_removed_{what}_count": counts[f"removed_{what}s"] for what in ("line", "word", "character")} | more
    ratio = counts["removed_words"] / np.maximum(counts["words"], 1)
    columns[f"{rules.name}_removed_word_ratio"] = ratio
    masks = {reason: (values > 0, values, np.nan) for reason, values in judged.items()}
    for reason, (_, bound) in parameters.thresholds().items():
        masks[reason] = (ratio > bound, ratio, bound)
    return removed(batch, new_texts, columns, masks, context, "cleaning.lines.changed")
