"""TeX to plain text, by one pass over its tokens.

What a source loses: comments, preamble, bibliography, figures, tables and their captions, citations, references, footnotes,
layout. What it keeps: the text of all other commands, headings and items as lines of their own, formulas as TeX (or not,
by option), accents and signs as Unicode. Macros that the source defines are expanded (``tex_macros``).

Brackets and environments are matched once for each text, so that nothing that is left open is searched again and again.
Source: Lamport, "LaTeX: A Document Preparation System"; Knuth, "The TeXbook", chapters 7, 8 and 20.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from curation_tasks.sources import tex_commands as tables
from curation_tasks.sources.tex_macros import DEFINERS, Macros
from curation_tasks.sources.tex_math import ensured_formula, formula_behind, printed_formula
from curation_tasks.sources.tex_reading import ENVIRONMENT, Text
from curation_tasks.sources.tex_tidying import HOLE, LINE, PARAGRAPH, TITLE, TITLE_END, as_it_is, tidied

_TOKEN = re.compile(
    r"(?P<text>[^\\{}$~&`'\-\n\x01-\x05#]+)|(?P<command>\\(?:[a-zA-Z@]+\*?|[\s\S]|\Z))|(?P<break>\n[ \t]*\n\s*)|(?P<math>\$\$?)"
    r"|(?P<quote>``|''|`|---?)|(?P<mark>[\x01-\x05])|(?P<other>[\s\S])"
)
_DOCUMENT = re.compile(r"\\begin\s*\{document\}")
_DOCUMENT_END = re.compile(r"\\end\s*\{document\}|\\bye(?![a-zA-Z])")
_LENGTH = r"[ \t]*-?[\d.]+[ \t]*[a-z]{2,4}\b"
_DIMENSION = re.compile(rf"[ \t]*=?(?:{_LENGTH}|[ \t]*\\[a-zA-Z]+)(?:[ \t]*(?:plus|minus){_LENGTH})*")
#: So deep may texts stand in texts (macros in macros, headings in headings).
_DEPTH = 48
#: Titles and abstracts that are tried until one has a text.
_FRONT_MATTER_TRIES = 8
#: An accent stands over a letter: a longer group behind one is read as text.
_ACCENTED_CHARACTERS = 200
#: Characters that macros may write: so many, and so many more for each character of the source, up to the bound of ``Macros``.
_EXPANDED_CHARACTERS, _EXPANDED_FOR_EACH = 2**19, 16

_PROTECTED = frozenset(
    {*tables.DROPPED_ARGUMENTS, *tables.SECTIONS, *tables.PARAGRAPHS, *tables.LINES, *tables.FRONT_MATTER,
     *DEFINERS, *tables.DIMENSIONED, "begin", "end", "verb", "url", "fi", "iffalse"}
)  # fmt: skip


@dataclass(frozen=True)
class TexOptions:
    """What belongs to the text.

    Attributes:
        math: Formulas as TeX (``latex``), or nothing of them (``drop``).
        footnotes: Whether footnotes stay, in parentheses.
        code: Whether listings of source code stay.
        layout: ``text``, or ``markdown``: headings begin with ``#``.
    """

    math: str = "latex"
    footnotes: bool = False
    code: bool = False
    layout: str = "text"


@dataclass
class Paper:
    """What was read of a paper. Titles and abstract are "" where the source has none that can be told."""

    text: str
    title: str = ""
    abstract: str = ""
    section_titles: list[str] = field(default_factory=list)
    bounded: bool = False


def paper_of(source: str, options: TexOptions | None = None) -> Paper:
    """The text of a source in one piece, comments removed.

    What stands before ``\\begin{document}`` is read for macros and the title only.
    """
    options = options or TexOptions()
    begin = _DOCUMENT.search(source)
    preamble, body = (source[: begin.start()], source[begin.end() :]) if begin else ("", source)
    if end := _DOCUMENT_END.search(body):
        body = body[: end.start()]
    most = min(16 * 2**20, _EXPANDED_CHARACTERS + _EXPANDED_FOR_EACH * len(source))
    scanner = _Scanner(options, Macros(_PROTECTED, characters=most))
    scanner.define(preamble)
    text = scanner.read(body)
    front = scanner.front_matter
    return Paper(text, front.get("title", ""), front.get("abstract", ""), scanner.section_titles, scanner.macros.exhausted)


class _Scanner:
    """Reads texts from a stack: an expansion is read before what stands behind its macro."""

    def __init__(self, options: TexOptions, macros: Macros, front_matter_tries: int = _FRONT_MATTER_TRIES):
        self._options = options
        self.macros = macros
        self.front_matter: dict[str, str] = {}
        self._tries = {"title": front_matter_tries, "abstract": front_matter_tries}
        self.section_titles: list[str] = []
        self._title_starts: list[int] = []
        self._stack: list[tuple[Text, int]] = []
        self._out: list[str] = []

    def define(self, preamble: str) -> None:
        """Takes macros and front matter from a text that is not printed."""
        self._read(Text(preamble))
        self._out.clear()
        self.section_titles.clear()

    def read(self, body: str) -> str:
        self._read(Text(body))
        return tidied("".join(self._out))

    def _read(self, source: Text) -> None:
        self._stack = [(source, 0)]
        while self._stack:
            source, at = self._stack.pop()
            while at < len(source.value):
                at = self._token(source, at)
                if at < 0:  # another text is read first; the rest of this one lies below it
                    break

    def _token(self, source: Text, at: int) -> int:
        match = _TOKEN.match(source.value, at)
        assert match is not None  # the last alternative takes any character
        kind, token = match.lastgroup, match[0]
        if kind == "text":
            self._out.append(token)
        elif kind == "command":
            return self._command(source, at, match.end(), token[1:])
        elif kind == "break":
            self._out.append(PARAGRAPH)
        elif kind == "math":
            return self._math(source, match.end(), token)
        elif kind == "quote":
            self._out.append(tables.QUOTES[token])
        elif kind == "mark":
            self._mark(token)
        elif token in "~\n&":
            self._out.append(" ")
        elif token not in "{}#":
            self._out.append(token)
        return match.end()

    def _mark(self, mark: str) -> None:
        if mark == TITLE:
            self._title_starts.append(len(self._out))
        elif mark == TITLE_END and self._title_starts:
            title = tidied("".join(self._out[self._title_starts.pop() :]))
            if title:
                self.section_titles.append(title.replace("\n", " "))
        else:
            self._out.append(mark)

    def _push(self, source: Text, at: int, value: str) -> int:
        """Reads a text next, then goes on with the source; returns the sign for that. Too deep, the text is left out."""
        if source.depth >= _DEPTH:
            return at
        self._stack.append((source, at))  # type: ignore[arg-type]
        self._stack.append((Text(value, source.depth + 1), 0))
        return -1

    # --- commands --------------------------------------------------------------------------------------------------------

    def _command(self, source: Text, start: int, at: int, name: str) -> int:
        if not name[:1].isalpha() and name[:1] != "@":
            return self._sign(source, at, name)
        starred, name = name.endswith("*"), name.rstrip("*")
        at = source.skip_blanks(at)
        if name in self.macros:
            body, at = self.macros.expand(name, source, at)
            return self._push(source, at, body)
        if name in tables.SYMBOLS:
            self._out.append(tables.SYMBOLS[name])
            # A space behind a name ends it, and is printed only when {} stands between.
            return at + 2 if source.value.startswith("{}", at) else at
        if name in tables.ACCENTS:
            return self._accent(source, at, name)
        if name in ("begin", "end"):
            return self._environment(source, start)
        if name in DEFINERS:
            return self.macros.define(name, source, at)
        if name in tables.SECTIONS:
            return self._heading(source, at, tables.SECTIONS[name])
        if name in tables.PARAGRAPHS or name in tables.LINES:
            self._out.append(PARAGRAPH if name in tables.PARAGRAPHS else LINE)
            if name == "item":
                label, at = source.optional(at)
                return self._push(source, at, label + " ") if label else at
            return source.optional(at)[1] if name in ("newline", "linebreak", "pagebreak") else at
        return self._other_command(source, start, at, name, starred)

    def _other_command(self, source: Text, start: int, at: int, name: str, starred: bool) -> int:
        if name in tables.FRONT_MATTER:
            return self._front_matter(source, at, name)
        if name in ("footnote", "footnotetext") and self._options.footnotes:
            note = source.argument(source.optional(at)[1])
            return self._push(source, note[1], f" ({note[0]})") if note else at
        if name == "iffalse":
            return source.condition_end(start)
        if name == "verb":
            return self._verbatim(source, start + 6 if starred else start + 5)
        if name == "xspace":
            self._out.append(" " + HOLE)  # a space, unless punctuation follows
            return at
        if name == "ensuremath":
            return self._ensured_math(source, at)
        if name in ("url", "path", "nolinkurl"):
            address = source.argument(at)
            if address:
                self._out.append(address[0])
            return address[1] if address else at
        if name in tables.DIMENSIONED:
            match = _DIMENSION.match(source.value, at)
            return match.end() if match else at
        if name in tables.DROPPED_ARGUMENTS:
            self._out.append(HOLE)
            return source.behind_arguments(at, tables.DROPPED_ARGUMENTS[name])
        if name.endswith("ref") or name.startswith(("cite", "Cite")):  # a reference by a command of the source's own
            self._out.append(HOLE)
            return source.behind_arguments(at, 1)
        # Of an unknown command the options go with the name, when text in braces follows.
        behind = source.optional(at)[1]
        return behind if behind > at and source.value.startswith("{", behind) else at

    def _sign(self, source: Text, at: int, sign: str) -> int:
        if sign in tables.ACCENTS:
            return self._accent(source, at, sign)
        if sign in ("(", "["):
            return self._math(source, at, "\\" + sign)
        self._out.append(tables.SIGNS.get(sign, "" if sign in "])" else sign))
        return source.optional(at)[1] if sign == "\\" else at

    def _accent(self, source: Text, at: int, accent: str) -> int:
        brace = source.skip_blanks(at)
        if source.value.startswith("{", brace) and source.group_end(brace) - brace > _ACCENTED_CHARACTERS:
            return at  # not even copied: accents in accents would be, again and again
        found = source.argument(at)
        if found is None:
            return at
        base, behind = found
        base = base.strip()
        if base.startswith("\\"):
            base = {"\\i": "i", "\\j": "j", "\\imath": "i", "\\jmath": "j"}.get(base.strip(), tables.SYMBOLS.get(base[1:].strip(), base))
        if not base or base[0] in "\\${":
            return at
        self._out.append(unicodedata.normalize("NFC", base[0] + tables.ACCENTS[accent]) + base[1:])
        return behind

    def _heading(self, source: Text, at: int, level: int) -> int:
        found = source.argument(source.optional(at)[1])
        if found is None:
            self._out.append(PARAGRAPH)
            return at
        sign = "#" * level + " " if self._options.layout == "markdown" else ""
        self._out.append(PARAGRAPH + sign)
        return self._push(source, found[1], TITLE + found[0] + TITLE_END + PARAGRAPH)

    def _front_matter(self, source: Text, at: int, name: str) -> int:
        """The title is no part of the text; an abstract given as an argument is."""
        found = source.argument(source.optional(at)[1])
        if found is None:
            return at
        key = "abstract" if name == "abstract" else "title"
        is_tried = self._is_wanted(key)
        if is_tried:
            self._note_front_matter(key, found[0], source.depth)
        if key == "title":
            return found[1]
        if is_tried and not self.front_matter[key]:
            self._out.append(PARAGRAPH)
            return found[1]  # it has no text: those within it have none either, and are not read again
        return self._push(source, found[1], PARAGRAPH + found[0] + PARAGRAPH)

    def _is_wanted(self, key: str) -> bool:
        return not self.front_matter.get(key) and self._tries[key] > 0

    def _note_front_matter(self, key: str, value: str, depth: int) -> None:
        """Reads a part by itself, for title or abstract.

        What stands in a part is not tried in turn, and few are tried: parts within parts that have no text would be read again
        for each one around them.
        """
        self._tries[key] -= 1
        scanner = _Scanner(self._options, self.macros, front_matter_tries=0)
        scanner._read(Text(value, depth + 1))
        self.front_matter[key] = " ".join(tidied("".join(scanner._out)).split())

    def _verbatim(self, source: Text, at: int) -> int:
        r"""``\verb|…|``: at the sign that ends it too."""
        if at >= len(source.value):
            return at
        end = source.value.find(source.value[at], at + 1, at + 1000)
        if end < 0:
            return at
        self._out.append(source.value[at + 1 : end])
        return end + 1

    # --- environments and maths --------------------------------------------------------------------------------------------

    def _environment(self, source: Text, at: int) -> int:
        match = ENVIRONMENT.match(source.value, at)
        if match is None:
            return at + (6 if source.value.startswith("\\begin", at) else 4)
        name, behind = match[2].strip(), match.end()
        if match[1] == "end":
            self._out.append(PARAGRAPH)
            return behind
        end, end_behind = source.environment_end(at)
        if end >= 0:
            if name in tables.MATH_ENVIRONMENTS:
                self._formula(source.value[behind:end], f"\\begin{{{name}}}", f"\\end{{{name}}}", display=name != "math")
                return end_behind
            if name in tables.CODE_ENVIRONMENTS:
                self._out.append(PARAGRAPH + (as_it_is(source.value[behind:end]) if self._options.code else HOLE) + PARAGRAPH)
                return end_behind
            if name in tables.DROPPED_ENVIRONMENTS:
                self._out.append(HOLE)
                return end_behind
            if name == "abstract" and self._is_wanted("abstract"):
                self._note_front_matter("abstract", source.value[behind:end], source.depth)
        self._out.append(PARAGRAPH)
        behind = source.optional(behind)[1]
        return source.behind_arguments(behind, tables.ENVIRONMENT_ARGUMENTS.get(name, 0))

    def _math(self, source: Text, at: int, opening: str) -> int:
        found = formula_behind(source, at, opening)
        if found is None:
            return at
        formula, behind = found
        sign = "$" if opening in ("$", "\\(") else "$$"
        self._formula(formula, sign, sign, display=sign == "$$")
        return behind

    def _ensured_math(self, source: Text, at: int) -> int:
        found = ensured_formula(source, at)
        if found is None:
            return at
        formula, behind = found
        self._formula(formula, "$", "$", display=False)
        return behind

    def _formula(self, content: str, opening: str, closing: str, *, display: bool) -> None:
        if self._options.math == "drop":
            self._out.append(HOLE)
            return
        formula = printed_formula(self.macros.expanded(content), opening, closing)
        self._out.append(f"{LINE}{formula}{LINE}" if display else formula)
