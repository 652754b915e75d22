"""Signals of a text's sentences and of how it ends."""

from __future__ import annotations

from curation_tasks.filters.signals.declaration import C4, TUTORIAL, count

SENTENCES = (
    count(
        "complete_ending",
        "complete_ending",
        "1 when the text ends with a terminator (. ! ? … and those of other scripts), with a mark that ends direct speech, or with "
        "quotes and brackets behind a terminator; else 0.",
        f"{TUTORIAL}, IncompleteStoryFilter, which looks for . ! ? and double quotes",
        kind="int8",
    ),
    count("sentence_count", "sentences", "Sentences by the rules of Unicode (UAX #29); a newline ends one.", C4),
)
