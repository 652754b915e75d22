"""Macros of TeX: definitions found in a source, and their expansion within bounds.

Reads ``\\newcommand`` and its kin (LaTeX, also xparse's for mandatory arguments), ``\\def`` with plain parameters, ``\\let`` and
``\\DeclareMathOperator``. Nothing is executed: a macro is a text with places for arguments.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from curation_tasks.sources.tex_reading import NAME, Text

_PLACE = re.compile(r"#([1-9])")
_DEFINED_NAME = re.compile(r"\{?\s*\\([a-zA-Z@]+|.)\s*\}?\s*")
_PLAIN_PARAMETERS = re.compile(r"((?:#[1-9])*)\s*(?=\{)")

DEFINERS = frozenset(
    "newcommand renewcommand providecommand DeclareRobustCommand newcommandx def gdef edef xdef let DeclareMathOperator "  # noqa: SIM905
    "NewDocumentCommand RenewDocumentCommand".split()
)


@dataclass(frozen=True, slots=True)
class Macro:
    """How many arguments a macro takes, the value of its first one where that is optional, and its text."""

    arguments: int
    default: str | None
    body: str


class Macros:
    """The macros of one source, and what may still be expanded.

    Args:
        protected: Names that a source cannot redefine, since the scanner gives them a meaning.
        expansions: So many at most.
        characters: So many written by all of them at most.
        depth: Expansions within expansions.
    """

    def __init__(self, protected: frozenset[str], *, expansions: int = 100_000, characters: int = 16 * 2**20, depth: int = 32):
        self._protected, self._depth = protected, depth
        self._expansions_left, self._characters_left = expansions, characters
        self._macros: dict[str, Macro] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._macros

    @property
    def exhausted(self) -> bool:
        """Whether a macro was dropped because the bounds were reached."""
        return self._expansions_left < 0 or self._characters_left < 0

    def define(self, command: str, text: Text, at: int) -> int:
        """Reads the definition behind a command of ``DEFINERS``; returns where reading goes on."""
        name = _DEFINED_NAME.match(text.value, at)
        if name is None:
            return at
        at = name.end()
        if command == "let":
            return self._let(name[1], text, at)
        if command.endswith("def"):
            parameters = _PLAIN_PARAMETERS.match(text.value, at)
            if parameters is None:  # delimited parameters: the macro cannot be told from its arguments
                brace = text.value.find("{", at, at + 200)
                end = text.group_end(brace) if brace >= 0 else -1
                return end if end > 0 else at
            count, default, at = len(parameters[1]) // 2, None, parameters.end()
        elif "Document" in command:
            signature = text.argument(at)
            if signature is None:
                return at
            count, default, at = len(re.findall(r"[mr]", signature[0])), None, signature[1]
        else:
            number, at = text.optional(at)
            default, at = text.optional(at) if number is not None else (None, at)
            count = int(number) if number and number.strip().isdecimal() and len(number) < 3 else 0
        body = text.argument(at)
        if body is None:
            return at
        operator = command == "DeclareMathOperator"
        self._set(name[1], Macro(min(count, 9), default, rf"\operatorname{{{body[0]}}}" if operator else body[0]))
        return body[1]

    def _let(self, name: str, text: Text, at: int) -> int:
        at = text.skip_blanks(at)
        if text.value.startswith("=", at):
            at = text.skip_blanks(at + 1)
        target = text.argument(at)
        if target is None:
            return at
        self._set(name, self._macros.get(target[0].strip().lstrip("\\"), Macro(0, None, target[0])))
        return target[1]

    def _set(self, name: str, macro: Macro) -> None:
        if name not in self._protected and len(self._macros) < 10_000:
            self._macros[name] = macro

    def expand(self, name: str, text: Text, at: int) -> tuple[str, int]:
        """The text of a macro with its arguments, which are read behind ``at``; and where reading goes on.

        Beyond the bounds the macro is nothing.
        """
        macro = self._macros[name]
        self._expansions_left -= 1
        if self._expansions_left < 0 or self._characters_left < 0 or text.depth >= self._depth:
            return "", at
        arguments: list[str] = []
        if macro.default is not None:
            given, at = text.optional(at)
            arguments.append(macro.default if given is None else given)
        while len(arguments) < macro.arguments:
            found = text.argument(at)
            if found is None:
                break
            arguments.append(found[0])
            at = found[1]
        # What would be written is reckoned before it is.
        places = [int(place) for place in _PLACE.findall(macro.body)]
        self._characters_left -= len(macro.body) + sum(len(arguments[place - 1]) for place in places if place <= len(arguments))
        if self._characters_left < 0:
            return "", at
        if not places:
            return macro.body, at
        return _PLACE.sub(lambda place: arguments[int(place[1]) - 1] if int(place[1]) <= len(arguments) else "", macro.body), at

    def expanded(self, value: str, depth: int = 0) -> str:
        """A formula with the macros in it expanded; other commands stay."""
        if "\\" not in value:
            return value
        text, pieces, at = Text(value, depth), [], 0
        while match := NAME.search(value, at):
            if match[1] not in self._macros:
                pieces.append(value[at : match.end()])
                at = match.end()
                continue
            pieces.append(value[at : match.start()])
            body, at = self.expand(match[1], text, match.end())
            # A letter must not join the name of a command that the body ends with.
            pieces.append(self.expanded(body, depth + 1) + (" " if match.end() > match.start() + 1 + len(match[1]) else ""))
        return "".join([*pieces, value[at:]])
