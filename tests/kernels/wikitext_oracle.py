"""Wikitext to text by a reading of its own: plain Python, token by token, for well-formed pages.

Slow and simple, to hold the compiled scanner against. It knows default options and what ``test_wikitext_oracle.py`` writes.
"""

import html
import re

#: Where something was left out; where a construct begins, which no rule about edges looks across; where a label ends.
HOLE, EDGE, EXIT = "\x00", "\x01", "\x02"

TOKEN = re.compile(
    r"(?P<comment><!--.*?-->)|(?P<whole><(ref|math|gallery)\b[^<>]*(?:/>|(?<!/)>.*?</\3>))|(?P<raw><nowiki>(?P<content>.*?)</nowiki>)"
    r"|(?P<open>\{\{|\[\[)|(?P<close>\}\}|\]\])|\[(?P<address>https?://[^\s\]]+) ?(?P<label>[^\]]*)\]|(?P<tag></?[a-z]+[^<>]*>)"
    r"|(?P<quotes>''+)|(?P<entity>&#?\w+;)|(?P<magic>__[A-Z]+__)",
    re.DOTALL,
)
UNITS = {"mi": "mi", "km2": "km²"}


def text_of(page: str) -> str:
    page = re.sub(r"^\{\|.*?^\|\}", HOLE, page, flags=re.DOTALL | re.MULTILINE)
    lines = [tidied(line_of(line)) for line in page.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).lstrip("\n").rstrip("\n ")


def line_of(line: str) -> str:
    line = line.lstrip(" ")
    if match := re.fullmatch(r"(=+) *(.*?) *\1", line):
        return inline(match[2])
    if re.fullmatch(r"-{4,}", line):
        return ""
    return inline(re.sub(r"^[*#:;]+ *", "", line))


def inline(text: str) -> str:
    """The text with holes and edges; links and templates are closed from the inside."""
    stack, at = [("", "")], 0
    for match in TOKEN.finditer(text):
        add(stack, text[at : match.start()])
        at = match.end()
        kind = match.lastgroup if match.lastgroup not in ("content", "label") else ("raw" if match["raw"] else "label")
        if kind == "open":
            stack.append((match[0], ""))
        elif kind == "close":
            opening, content = stack.pop()
            add(stack, EDGE + (template(content) if opening == "{{" else link(content)))
        elif kind == "label":
            add(stack, EDGE + inline(match["label"]) + EXIT if match["label"] else EDGE + HOLE)
        elif kind == "entity":
            add(stack, EDGE + html.unescape(match[0]).replace("\xa0", " ") + EDGE)
        elif kind == "raw":
            add(stack, EDGE + match["content"] + EDGE)
        else:
            add(stack, EXIT if kind in ("quotes", "tag") else EDGE + HOLE)
    add(stack, text[at:])
    [(_, whole)] = stack
    return whole


def add(stack: list[tuple[str, str]], text: str) -> None:
    opening, content = stack[-1]
    stack[-1] = (opening, content + text)


def link(content: str) -> str:
    target, separator, label = content.partition("|")
    if re.match(r"(?i)\s*(file|image|category)\s*:", target) or (not separator and re.match(r"[a-z]{2,3}:", target)):
        return HOLE
    return (label if separator else target.removeprefix(":")) + EXIT


def template(content: str) -> str:
    name, *arguments = [part.strip() for part in content.split("|")]
    if name == "convert":
        return f"{arguments[0]} {UNITS.get(arguments[1], arguments[1])}{EXIT}"
    if name == "lang":
        return arguments[1] + EXIT
    if name == "nowrap":
        return arguments[0] + EXIT
    return HOLE


def tidied(text: str) -> str:
    """The rules for edges: what a hole does to its neighbours, and what becomes of brackets around one."""
    out, hole, at = "", -1, 0
    while at < len(text):
        character = text[at]
        at += 1
        if character == HOLE:
            out, at = closed_hole(out, text, at)
            hole = len(out)
        elif character == ")":
            inside = out.rstrip(" ,;") if len(out) - len(out.rstrip(" ,;")) < 16 else out
            if inside.endswith("(") and hole >= len(inside):
                out, at = closed_hole(inside[:-1], text, at)
                hole = len(out)
            else:
                out = (inside if hole > len(inside) else out) + ")"
        elif character == EXIT:
            if hole == len(out):
                out, at = closed_hole(out, text, at)
                hole = len(out)
        elif character != EDGE:
            out += character
    return out.rstrip(" ")


def closed_hole(out: str, text: str, at: int) -> tuple[str, int]:
    previous, following = out[-1:] or "\n", text[at : at + 1]
    if following == " " and previous in " \n(":
        while text[at : at + 1] == " ":
            at += 1
    elif following and following in ",;" and previous == "(":
        at += 1
        while text[at : at + 1] == " ":
            at += 1
    elif following == "," and out.rstrip(" ").endswith(","):
        out, at = out.rstrip(" "), at + 1
    elif previous == " " and following and following in ",;.:)":
        out = out[:-1]
    return out, at
