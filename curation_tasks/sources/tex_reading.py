"""A text of TeX with the places of its brackets: what is asked again and again is found in one pass.

So nothing that is left open is searched twice, whatever a source holds. Comments go before all else.
"""

from __future__ import annotations

import re

from curation_tasks.sources.tex_tidying import MARKS

ENVIRONMENT = re.compile(r"\\(begin|end)[ \t]*\{([^{}\\\n]{1,40})\}")
_CONDITION = re.compile(r"\\(if[a-zA-Z@]*|else|fi)(?![a-zA-Z@])")
#: A command's name, with the white space that TeX skips behind it.
NAME = re.compile(r"\\([a-zA-Z@]+)\*?[ \t]*(?:\n(?![ \t]*\n)[ \t]*)?")
_BRACES = re.compile(r"\\[\s\S]|[{}]")
_BLANKS = re.compile(r"[ \t]*(?:\n(?![ \t]*\n)[ \t]*)?")
#: No token is an argument that closes a group, or is a mark of ours behind the end of what the source wrote.
_NO_ARGUMENT = frozenset("}" + MARKS)
_OPTIONAL = re.compile(r"\[((?:[^\[\]{}\\]|\\.|\{[^{}]*\})*)\]")

#: What no text has, the marks of the tidying among it.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")

_COMMENT = re.compile(r"(\\url\s*\{[^{}\n]*\}|\\[\s\S])|%[^\n]*(?:\n[ \t]*)?")


def without_comments(source: str) -> str:
    """A source without comments, and without characters that no text has. A line of which only a comment is left goes."""
    source = _CONTROLS.sub("", source.replace("\r\n", "\n").replace("\r", "\n"))
    return _COMMENT.sub(lambda match: match[1] or "", source) if "%" in source else source


class Text:
    """A text with the places of its braces, environments and conditions, found once when they are first asked for."""

    __slots__ = ("_closing", "_conditions", "_environments", "_last", "depth", "value")

    def __init__(self, value: str, depth: int = 0):
        self.value, self.depth = value, depth
        self._closing: dict[int, int] | None = None
        self._environments: dict[int, tuple[int, int]] | None = None
        self._conditions: dict[int, int] | None = None
        self._last: dict[str, int] = {}

    def group_end(self, at: int) -> int:
        """Behind the brace that closes the one at ``at``, or −1."""
        if self._closing is None:
            self._closing, opened = {}, []
            for match in _BRACES.finditer(self.value):
                if match[0] == "{":
                    opened.append(match.start())
                elif match[0] == "}" and opened:
                    self._closing[opened.pop()] = match.end()
        return self._closing.get(at, -1)

    def skip_blanks(self, at: int) -> int:
        return _BLANKS.match(self.value, at).end()  # type: ignore[union-attr]

    def argument(self, at: int) -> tuple[str, int] | None:
        """A mandatory argument: a group, or one token; and where reading goes on. None at the end or at an open group."""
        at = self.skip_blanks(at)
        if at >= len(self.value) or self.value[at] in _NO_ARGUMENT:
            return None
        if self.value[at] == "{":
            end = self.group_end(at)
            return (self.value[at + 1 : end - 1], end) if end > 0 else None
        if self.value[at] == "\\":
            match = NAME.match(self.value, at)
            end = match.end() if match else min(at + 2, len(self.value))
            return self.value[at:end], end
        return self.value[at], at + 1

    def optional(self, at: int) -> tuple[str | None, int]:
        """An optional argument in brackets, None when there is none; and where reading goes on."""
        start = self.skip_blanks(at)
        match = _OPTIONAL.match(self.value, start) if self.value.startswith("[", start) else None
        return (match[1], match.end()) if match else (None, at)

    def behind_arguments(self, at: int, count: int) -> int:
        """Behind so many arguments in braces and the optional ones before them."""
        at = self.optional(self.optional(at)[1])[1]
        for _ in range(count):
            brace = self.skip_blanks(at)
            end = self.group_end(brace) if self.value.startswith("{", brace) else -1
            if end < 0:
                return at
            at = self.optional(end)[1] if count > 1 else end
        return at

    def environment_end(self, at: int) -> tuple[int, int]:
        r"""Where the ``\end`` begins and ends that belongs to the ``\begin`` at ``at``; −1 when none does."""
        if self._environments is None:
            self._environments, opened = {}, {}
            for match in ENVIRONMENT.finditer(self.value):
                waiting = opened.setdefault(match[2].strip(), [])
                if match[1] == "begin":
                    waiting.append(match.start())
                elif waiting:
                    self._environments[waiting.pop()] = match.span()
        return self._environments.get(at, (-1, -1))

    def condition_end(self, at: int) -> int:
        r"""Behind the ``\else`` or ``\fi`` that ends the first branch of the condition at ``at``; behind the command when none does."""
        if self._conditions is None:
            self._conditions, opened = {}, []
            for match in _CONDITION.finditer(self.value):
                if match[1].startswith("if"):
                    opened.append(match.start())
                elif opened:
                    self._conditions.setdefault(opened[-1], match.end())
                    if match[1] == "fi":
                        opened.pop()
        return self._conditions.get(at, at + len("\\iffalse"))

    def has_dollar_behind(self, at: int) -> bool:
        return at <= self._last_of("$")

    def find_behind(self, closing: str, at: int) -> int:
        return self.value.find(closing, at) if at <= self._last_of(closing) else -1

    def _last_of(self, mark: str) -> int:
        if mark not in self._last:
            self._last[mark] = self.value.rfind(mark)
        return self._last[mark]
