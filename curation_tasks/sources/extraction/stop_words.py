"""Which stop list fits a page: the one whose words it has most of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache

_WORD = re.compile(r"[^\W\d_]+")
#: Words that are looked at, from the middle of the page: its ends are navigation.
_WORDS = 1500
#: A list whose words are a smaller share of the page's does not fit it.
_SMALLEST_SHARE = 0.06


class StopLists:
    """Stop lists of many languages.

    Args:
        lists: Language → its stop words, lower case.
    """

    def __init__(self, lists: Mapping[str, Iterable[str]]):
        self._lists = {language: frozenset(words) for language, words in sorted(lists.items())}
        self._languages: dict[str, tuple[str, ...]] = {}
        for language, words in self._lists.items():
            for word in words:
                self._languages[word] = (*self._languages.get(word, ()), language)

    @classmethod
    @cache
    def of_justext(cls) -> StopLists:
        import justext

        return cls({language: justext.get_stoplist(language) for language in justext.get_stoplists()})

    def language_of(self, text: str) -> str | None:
        """The language whose stop words the text has most of, the first by name of several; None when no list fits."""
        words = _WORD.findall(text.lower())
        start = max(0, (len(words) - _WORDS) // 2)
        words = words[start : start + _WORDS]
        scores: Counter[str] = Counter()
        for word, count in Counter(words).items():
            languages = self._languages.get(word, ())
            for language in languages:
                scores[language] += count
        if not scores:
            return None
        best = max(scores.values())
        return min(language for language, score in scores.items() if score == best) if best >= _SMALLEST_SHARE * len(words) else None

    def of_text(self, text: str) -> frozenset[str]:
        """The stop list that fits a text; empty when none does."""
        language = self.language_of(text)
        return self._lists[language] if language else frozenset()
