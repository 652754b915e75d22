"""From what the TeX scanner wrote to a text: marks become white space, and nothing shows where something was left out."""

from __future__ import annotations

import re

#: Marks in what the scanner writes; sources lose these characters beforehand.
PARAGRAPH, TITLE, TITLE_END, HOLE, LINE, BLANK = "\x01", "\x02", "\x03", "\x04", "\x05", "\x06"
MARKS = PARAGRAPH + TITLE + TITLE_END + HOLE + LINE + BLANK

_EMPTY_BRACKETS = re.compile(rf" ?[(\[](?:see|cf\.|e\.g\.,?)?[ ,;{HOLE}]*[)\]]")
_HOLES = re.compile(rf"(?:[ {HOLE}]{{2,}}|{HOLE})(\.?)")
_SPACES = re.compile(r"[ \t\n\r\f]{2,}|[\t\n\r\f]")


def tidied(text: str) -> str:
    """The text with its marks turned into white space, and clean edges where something was left out."""
    text = _SPACES.sub(" ", text)
    if HOLE in text:
        text = _EMPTY_BRACKETS.sub(lambda match: HOLE if HOLE in match[0] else match[0], text)
        text = _HOLES.sub(_edge, text)
    paragraphs = []
    for paragraph in text.split(PARAGRAPH):
        lines = [line.strip(" ") for line in paragraph.split(LINE)]
        if paragraph := "\n".join(line for line in lines if line):
            paragraphs.append(paragraph)
    return "\n\n".join(paragraphs).replace(BLANK, " ")


def _edge(match: re.Match[str]) -> str:
    """What stays between the words where something was left out: a space, but none before punctuation or behind a bracket."""
    text, start, end = match.string, match.start(), match.end()
    before = text[start - 1] if start else ""
    if match[1]:
        return "" if before == "." else "."
    if (end < len(text) and text[end] in ",;:)]") or before in ("(", "["):
        return ""
    return " " if " " in match[0] else ""


def as_it_is(code: str) -> str:
    """Source code whose blanks and line ends survive the tidying."""
    code = "\n".join(line.rstrip() for line in code.strip("\n").split("\n"))
    return code.replace(" ", BLANK).replace("\t", 4 * BLANK).replace("\n", LINE)
