"""Formulas of TeX: where one ends, and how it is printed."""

from __future__ import annotations

import re

from curation_tasks.sources.tex_reading import Text

_INLINE_END = re.compile(r"(?:[^$\\]|\\[\s\S])*?\$", re.DOTALL)
_DISPLAY_END = re.compile(r"(?:[^$\\]|\\[\s\S]|\$(?!\$))*?\$\$", re.DOTALL)
_CLOSING = {"\\(": "\\)", "\\[": "\\]"}
#: What a formula loses: marks of numbering, and commands that only say where it may stand.
_NO_MATH = re.compile(r"\\(?:label|tag)\s*\{[^{}]*\}|\\(?:nonumber|notag|protect|ensuremath)(?![a-zA-Z])[ ]?")


def formula_behind(source: Text, at: int, opening: str) -> tuple[str, int] | None:
    """The formula that a sign opens, and where reading goes on; None where nothing closes it.

    Args:
        source: The text.
        at: The place behind the sign.
        opening: The sign: ``$``, ``$$``, ``\\(`` or ``\\[``.
    """
    if opening in _CLOSING:
        end = source.find_behind(_CLOSING[opening], at)
        return (source.value[at:end], end + 2) if end >= 0 else None
    ending = _INLINE_END if opening == "$" else _DISPLAY_END
    match = ending.match(source.value, at) if source.has_dollar_behind(at) else None
    return (source.value[at : match.end() - len(opening)], match.end()) if match else None


def ensured_formula(source: Text, at: int) -> tuple[str, int] | None:
    """The argument of ``\\ensuremath`` and where reading goes on: one in braces, or a sign or command with a group behind it."""
    found = source.argument(at)
    if found is None:
        return None
    formula, behind = found
    if formula.startswith("\\") and source.value.startswith("{", behind) and (end := source.group_end(behind)) > 0:
        return formula + source.value[behind:end], end
    return formula, behind


def printed_formula(formula: str, opening: str, closing: str) -> str:
    """A formula, its macros expanded, between its signs or ``\\begin`` and ``\\end``: on one line, without marks that are no part of it."""
    # Single line breaks of a formula are those of the editor.
    formula = " ".join(_NO_MATH.sub("", formula).split())
    return f"{opening}{formula}{closing}" if opening.startswith("$") else f"{opening} {formula} {closing}"
