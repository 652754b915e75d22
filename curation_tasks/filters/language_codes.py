"""Which labels mean the same language: ``en``, ``eng`` and ``eng_Latn`` do, whichever model or pipeline file wrote them.

lid.176 has ISO 639-1 codes and, where there are none, those of Wikipedias; GlotLID, OpenLID and NLLB have ISO 639-3 and a
script. Codes of one language are brought together by CLDR's aliases (in Babel), which also put an individual language under the
macrolanguage whose code all use (``cmn`` is ``zh``, ``arb`` is ``ar``). CLDR also says in which script a language is usually
written: a label without a script means that one. Imports no engine.

Source: Unicode CLDR, supplemental metadata (language aliases) and likely subtags; ISO 15924.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from curation_tasks.errors import did_you_mean

UNKNOWN = "unknown"

#: Where CLDR keeps two codes apart that models use for one language.
_SAME = {"no": "nb", "pbt": "ps", "pst": "ps", "bih": "bho", "eml": "egl"}
#: A bare code with which a model means what its Wikipedia means: there ``als`` is Alemannic, in ISO 639-3 Tosk Albanian.
_WIKIPEDIAS = {"als": "gsw"}
#: Codes for several scripts used together, and for parts of one → what they are compared as.
_SCRIPT_FAMILIES = {"Hans": "Hani", "Hant": "Hani", "Hira": "Jpan", "Kana": "Jpan", "Hrkt": "Jpan", "Hang": "Kore"}
#: Codes of ISO 15924 that stand for no script of Unicode → the scripts of the characters that they mean.
COMPOSED_SCRIPTS = {
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Hrkt": ("Hira", "Kana"),
    "Jpan": ("Hani", "Hira", "Kana"),
    "Kore": ("Hang", "Hani"),
}
_LABEL = re.compile(r"([A-Za-z]{2,8})(?:[_-]([A-Za-z]{4}))?(?:[_-].*)?")


class Language(NamedTuple):
    """What a label means.

    Attributes:
        code: One code for all labels of the language.
        script: ISO 15924, None when the label names none.
    """

    code: str
    script: str | None


@cache
def language_of(label: str) -> Language:
    """The meaning of a label.

    >>> language_of("eng_Latn"), language_of("en") == language_of("eng")
    (Language(code='en', script='Latn'), True)
    """
    found = _LABEL.fullmatch(label)
    if found is None:
        return Language(label, None)
    code, script = found[1].lower(), found[2].title() if found[2] else None
    for _ in range(3):  # an alias may have one of its own
        alias, _, alias_script = _cldr("language_aliases").get(code, _SAME.get(code, code)).partition("_")
        if alias == code:
            break
        code, script = alias, script or (alias_script if len(alias_script) == 4 else None)
    return Language(code, script)


def same_language(wanted: str, label: str) -> bool:
    """Whether a label of a model is meant by what somebody wrote.

    Without a script all scripts are meant; with one, labels of that script, and labels without a script of languages usually
    written in it.

    >>> [same_language("sr", "srp_Latn"), same_language("srp_Cyrl", "sr"), same_language("srp_Latn", "sr")]
    [True, True, False]
    """
    asked, found = language_of(wanted), language_of(_WIKIPEDIAS.get(label, label))
    if asked.code != found.code:
        return False
    if asked.script in (None, found.script):
        return True
    usual = _usual_script(found.code)
    if found.script is None:
        return asked.script == usual or usual == _family(asked.script) or asked.script == _family(usual)
    # Hani leaves open what Hans and Hant tell apart.
    return _family(found.script) == _family(asked.script) and (
        asked.script == _family(asked.script) or (found.script == _family(found.script) and asked.script == usual)
    )


def labels_of(wanted: str, labels: Sequence[str]) -> tuple[str, ...]:
    """The labels that are meant: the one written so, or else all of the same language.

    >>> labels_of("de", ("deu_Latn", "eng_Latn")), labels_of("zho_Hans", ("en", "zh"))
    (('deu_Latn',), ('zh',))
    """
    return (wanted,) if wanted in labels else tuple(label for label in labels if same_language(wanted, label))


@lru_cache(maxsize=65_536)
def route_of(label: str | None, wanted: tuple[str, ...]) -> int:
    """Which of several languages a document's label belongs to: −1 for none.

    The one written so comes first, then one with the label's script, then one without a script.
    """
    if label is None:
        return -1
    if label in wanted:
        return wanted.index(label)
    near = [number for number, name in enumerate(wanted) if same_language(name, label)]
    return min(near, key=lambda number: (language_of(wanted[number]).script is None, number), default=-1)


def list_for(language: str, lists: Sequence[str]) -> str | None:
    """The name of the word list for a language, as ``en``; None when none is in its language and script."""
    if language in lists:
        return language
    asked = language_of(language)
    for name in lists:
        usual = _usual_script(language_of(name).code)
        if language_of(name).code == asked.code and (asked.script is None or _family(asked.script) == _family(usual)):
            return name
    return None


def require_label(language: str, labels: tuple[str, ...]) -> None:
    """Raises ``ValueError`` for a language that a model does not know, with the nearest that it does."""
    if language == UNKNOWN or labels_of(language, labels):
        return
    near = sorted(label for label in labels if language_of(_WIKIPEDIAS.get(label, label)).code == language_of(language).code)
    hint = f"it knows {', '.join(near)}, which leaves the script open or names another" if near else did_you_mean(language, labels)
    raise ValueError(f"the model knows no language {language!r}; {hint}")


def _family(script: str | None) -> str | None:
    return _SCRIPT_FAMILIES.get(script or "", script)


@cache
def _usual_script(code: str) -> str | None:
    return next((part for part in _cldr("likely_subtags").get(code, "").split("_") if len(part) == 4 and part.istitle()), None)


@cache
def _cldr(name: str) -> dict[str, str]:
    # Not needed, and not loaded, where everybody writes the labels of the model.
    from babel.core import get_global

    return get_global(name)
