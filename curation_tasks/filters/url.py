"""Block lists of domains, URLs and words of URLs: hashed once, mapped by all workers of a node, looked up in one compiled pass."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.context import RunContext
from curation_tasks.filters.url_lists import ascii_host, list_table, read_entries
from curation_tasks.filters.url_parameters import UrlParameters
from curation_tasks.kernels.hash_tables import HashTable
from curation_tasks.kernels.url_parts import find_urls
from curation_tasks.schema import reject_by_rules

_KINDS = ("domains", "urls", "words", "soft_words")


def url(batch: pa.RecordBatch, parameters: UrlParameters, context: RunContext) -> pa.RecordBatch:
    """Rejects documents whose URL is in a list.

    Reads: ``parameters.column``. Rejects: ``url.domain`` (the host or a domain above it is blocked), ``url.address`` (the URL is),
    ``url.word``, ``url.soft_words.max`` (value: how many different ones), ``url.substring``; the first that applies is the reason.

    Hosts are compared in lower case and in ASCII (IDNA), without user, port and dots at the end.

    Source: RefinedWeb, arXiv:2306.01116, appendix G.1, and datatrove's ``URLFilter`` (words are what stands between characters other than
    letters and digits, soft words count once each); NeMo Curator's ``PornographicUrlsFilter`` is ``substrings: [porn]``.
    """
    urls = batch.column(parameters.column).cast(pa.large_string())
    tables = [list_table(kind, getattr(parameters, kind), _paths(parameters, kind, context)) for kind in _KINDS]
    found = _found(urls, tables)
    none = np.full(len(batch), np.nan)
    judged = {
        "url.domain": (found["domain"] > 0, none, np.nan),
        "url.address": (found["address"] > 0, none, np.nan),
        "url.word": (found["words"] > 0, none, np.nan),
        "url.soft_words.max": (
            found["soft_words"] >= parameters.min_soft_words, found["soft_words"].astype(np.float64), parameters.min_soft_words - 1.0
        ),
    }  # fmt: skip
    reasons = parameters.reasons()
    if "url.substring" in reasons:
        strings = read_entries(_paths(parameters, "substrings", context)) + parameters.substrings
        judged["url.substring"] = (_holds_one(urls, strings), none, np.nan)
    masks, values, bounds = zip(*(judged[reason] for reason in reasons), strict=True)
    return reject_by_rules(batch, reasons, np.array(masks), np.array(values), bounds)


def _paths(parameters: UrlParameters, kind: str, context: RunContext) -> tuple[str, ...]:
    return tuple(context.local_path(file) for file in getattr(parameters, f"{kind}_files"))


def _found(urls: pa.Array, tables: Sequence[HashTable]) -> dict[str, np.ndarray]:
    """What the tables say of URLs. Hosts beyond ASCII are few, so each is put into ASCII by itself and looked up again."""
    found = find_urls(urls, *tables)
    others = np.flatnonzero(found["beyond_ascii"])
    if len(others):
        again = find_urls(pa.array([ascii_host(text) for text in urls.take(pa.array(others)).to_pylist()], urls.type), *tables)
        for name in ("domain", "address"):
            found[name][others] = again[name]
    return found


def _holds_one(urls: pa.Array, strings: tuple[str, ...]) -> np.ndarray:
    """Which URLs hold one of some strings, all but letters and digits taken out: bool, shape (rows,)."""
    letters = pc.ascii_lower(pc.replace_substring_regex(urls, "[^A-Za-z0-9]+", ""))
    pattern = "|".join(sorted({re.escape(string.lower()) for string in strings}))
    if not pattern:
        return np.zeros(len(urls), bool)
    return pc.fill_null(pc.match_substring_regex(letters, pattern), False).to_numpy(zero_copy_only=False)
