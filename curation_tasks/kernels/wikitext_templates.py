"""Templates that stand for words of a sentence, and what they say.

A page's text breaks where a template that carries words is dropped: "only  away" for ``only {{convert|3|mi}} away``. So
templates that occur in prose are written out by patterns; all others (infoboxes, citations, navigation) are dropped.

A template has one pattern for each number of arguments; the last one serves for more. In a pattern stand:

- ``{1}``: the argument of that number, itself wikitext; ``{-1}`` the last one; ``{*}`` all, ``{* }`` all with a space between.
- ``{e|×10^}``: the named argument ``e`` with that text before it, nothing when it is not given.
- ``{2:month}``, ``{2:unit}``, ``{2:range}``: the argument by its word in ``MONTHS``, ``UNITS``, ``RANGES``.
- anything else: itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Kinds of pieces of a pattern.
LITERAL, POSITION, LAST, ALL, NAMED, AS_UNIT, AS_RANGE, AS_MONTH = range(8)
ARGUMENT_KINDS = (POSITION, LAST, ALL, AS_UNIT, AS_RANGE, AS_MONTH)

_WORD_KINDS = {"unit": AS_UNIT, "range": AS_RANGE, "month": AS_MONTH}
_PIECE = re.compile(r"\{(?:(?P<all>\*)(?P<separator>[^}]*)|(?P<number>-?\d+)(?::(?P<word>[a-z]+))?|(?P<name>[a-z]+)\|(?P<prefix>[^}]*))\}")


@dataclass(frozen=True)
class Piece:
    """A piece of a pattern: ``value`` is the text, the argument's number or its name, ``more`` a prefix or separator."""

    kind: int
    value: int | str
    more: str = ""


def parse_pattern(pattern: str) -> list[Piece]:
    """The pieces of a pattern.

    Raises:
        ValueError: A brace that begins none of the forms above.
    """
    pieces, at = [], 0
    for match in _PIECE.finditer(pattern):
        if match.start() > at:
            pieces.append(_literal(pattern[at : match.start()]))
        pieces.append(_argument(match))
        at = match.end()
    if at < len(pattern):
        pieces.append(_literal(pattern[at:]))
    return pieces


def _literal(text: str) -> Piece:
    if re.search(r"\{[\w*-]|[\w*-]\}", text):
        raise ValueError(f"{text!r} is no form of a pattern; known: {{1}} {{-1}} {{*}} {{name|prefix}} {{1:unit}} {{1:range}} {{1:month}}")
    return Piece(LITERAL, text)


def _argument(match: re.Match[str]) -> Piece:
    if match["all"]:
        return Piece(ALL, 0, match["separator"])
    if match["name"]:
        return Piece(NAMED, match["name"], match["prefix"])
    number = int(match["number"])
    if match["word"]:
        if match["word"] not in _WORD_KINDS:
            raise ValueError(f"unknown word list {match['word']!r}; known: {', '.join(_WORD_KINDS)}")
        return Piece(_WORD_KINDS[match["word"]], number)
    if number == 0 or number < -1:
        raise ValueError(f"there is no argument {number}")
    return Piece(LAST, 0) if number == -1 else Piece(POSITION, number)


def _each(names: str, *patterns: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys((name.strip() for name in names.split(",")), patterns)


#: ``convert`` chooses by its arguments, not by their number: a quantity, a range, a compound (5 ft 10 in).
CONVERT = ("{1} {2:unit}", "{1}{2:range}{3} {4:unit}", "{1} {2:unit} {3} {4:unit}")

#: Template → its patterns. English names, since these are what most wikis' templates are called or redirect from.
TEMPLATES: dict[str, tuple[str, ...]] = {
    # The argument is the text.
    **_each(
        "nowrap, nobr, nowr, nbr, j, quote, cquote, blockquote, bquote, quotation, poemquote, small, smaller, big, larger, "
        "abbr, smallcaps, sc, smallcaps2, sic, tq, xt, not a typo, typo, as written, fact checked, formatnum, sup, sub, math, "
        "mvar, bigmath, chem2, e-sp, visible anchor, vanchor, ill, interlanguage link, interlanguage link multi, "
        "link-interwiki, iw2, tooltip, unicode, polytonic, hebrew, arabic, code, kbd, samp, var, mono, em, strong, strongbad, "
        "italic correction, nts, ntsh, flag, flagu, flagcountry, noitalic, not italic, italics, italic, bold, strike, "
        "underline, u, ins, angbr, gloss, bracket, ushort, underlinetop, serif, sans-serif, pslink, plain link, block indent, "
        "wikt-lang, lang-rtl, flatlist, plainlist, center, centre, align, single chemical, nbsp wrap, transcl, title, lsp, "
        "hanging indent, resize text, nihongo2, nihongo krt, script, wiktionary inline, keypress, key press, first word, "
        "delimitnum, gapnum",
        "{1}",
    ),
    # The last argument is the text.
    **_each(
        "color, colour, font color, fontcolor, font, resize, background color, transl, transliteration, sort, linktext2, url, "
        "rtl-lang, nihongo3, hidden sort key, fontsize, font size, text color",
        "{-1}",
    ),
    # A code, then the text.
    **_each("lang, langx, lang-sr-variant, script/any, lang2, langue, ipa-lang text", "{1}", "{2}"),
    # Pieces set together.
    **_each("linktext, chem, gaps, su2", "{*}"),
    **_each("ship, sclass, sclass2, bibleverse, bibleref, bibleref2, bible, sortname, hms2, nws", "{1}", "{1} {2}", "{* }"),
    **_each("ubl, unbulleted list, hlist, bulleted list, ordered list, flat list", "{*\n}"),
    # Quantities and dates.
    **_each("convert, cvt", *CONVERT),
    **_each("val, val2", "{1}{e|×10^}{u| }{ul| }"),
    **_each("e, x10^", "×10^{1}"),
    **_each("frac, sfrac, fraction, half frac", "1/{1}", "{1}/{2}", "{1} {2}/{3}"),
    **_each("as of, asof", "As of {1}", "As of {2:month} {1}", "As of {3} {2:month} {1}"),
    **_each("circa, c., ca, ca.", "c. {1}", "c. {1} – c. {2}"),
    **_each("floruit, fl., fl", "fl. {1}", "fl. {1}–{2}"),
    **_each("reign, r.", "r. {1}", "r. {1}–{2}"),
    **_each("us$, usd", "US${1}"),
    **_each("gbp, £, pound sterling", "£{1}"),
    **_each("eur, €, euro", "€{1}"),
    **_each("inr, indian rupee", "₹{1}"),
    **_each("jpy, ¥", "¥{1}"),
    **_each("radic, sqrt, radical", "√{1}"),
    **_each("overline, overbar", "{1}"),
    **_each("ordinal-en, ord", "{1}"),
    **_each("hms", "HMS {1}"), **_each("uss", "USS {1}"), **_each("ss", "SS {1}"), **_each("rms", "RMS {1}"), **_each("mv", "MV {1}"),
    **_each("hmas", "HMAS {1}"), **_each("hmcs", "HMCS {1}"),
    **_each("nihongo, nihongo foot", "{1}", "{1} ({2})", "{1} ({2}, {3})", "{1} ({2}, {3}, {4})"),
    # Signs.
    **_each("'s", "'s"), **_each("'", "'"), **_each("'s or s'", "'s"),
    **_each("snd, spnd, spaced ndash, spaced en dash, dash, snds, spndash", " – "),
    **_each("spaced mdash, spmd, snm", " — "),
    **_each("ndash, en dash, endash, nd", "–"), **_each("mdash, em dash, emdash, md", "—"), **_each("hyphen, nbhyph", "-"),
    **_each("nbsp, space, spaces, thin space, thinsp, hair space, hsp, ensp, emsp, sp, pad", " "),
    **_each("·, dot, middot, dotsep", " · "), **_each("•, bullet", " • "), **_each("\\, slash", " / "),
    **_each("!, pipe", "|"), **_each("=, equals", "="), **_each("-, clear, clr, break, br", "\n"),
    **_each("pi", "π"), **_each("times", "×"), **_each("minus", "−"), **_each("degree, deg, ˚", "°"),
    **_each("okina, ʻ", "ʻ"), **_each("shy", ""), **_each("zwj, zwnj, zwsp, wj", ""), **_each("sharp, music sharp", "♯"),
    **_each("yes, aye", "Yes"), **_each("no, nay", "No"), **_each("n/a, na", "N/A"), **_each("tba", "TBA"), **_each("tbd", "TBD"),
    **_each("ce", "CE"), **_each("ad", "AD"), **_each("bc", "BC"), **_each("bce", "BCE"), **_each("ah", "AH"),
}  # fmt: skip

#: Codes of ``convert`` that are not how the unit is written; others stand for themselves.
UNITS = {
    "sqmi": "sq mi", "sqft": "sq ft", "sqyd": "sq yd", "sqin": "sq in", "sqkm": "km²", "km2": "km²", "m2": "m²", "cm2": "cm²",
    "mm2": "mm²", "cuft": "cu ft", "cumi": "cu mi", "cuyd": "cu yd", "cuin": "cu in", "ft2": "sq ft", "mi2": "sq mi", "ft3": "cu ft",
    "m3": "m³", "km3": "km³", "cm3": "cm³", "in2": "sq in", "in3": "cu in", "C": "°C", "F": "°F", "C-change": "°C", "F-change": "°F",
    "kph": "km/h", "impgal": "imp gal", "usgal": "US gal", "impqt": "imp qt", "usqt": "US qt", "usfloz": "US fl oz",
    "impfloz": "imp fl oz", "lt": "long tons", "shortton": "short tons", "longton": "long tons", "t": "tonnes", "mt": "metric tons",
    "m3/s": "m³/s", "cuft/s": "cu ft/s", "m/s2": "m/s²", "/sqmi": "per square mile", "/km2": "per square kilometre", "mi/h": "mph",
    "ftin": "ft", "stlb": "st", "lb/in2": "lb/in²", "e3": "thousand", "e6": "million", "e9": "billion", "e3acre": "thousand acres",
    "e6acre": "million acres", "e6sqmi": "million sq mi", "e3sqmi": "thousand sq mi", "e6km2": "million km²", "e3km2": "thousand km²",
    "e6ha": "million ha", "e3ha": "thousand ha", "e6m3": "million m³", "e9m3": "billion m³", "e6t": "million tonnes",
    "e3t": "thousand tonnes", "e6usgal": "million US gal", "e6impgal": "million imp gal", "e6oilbbl": "million barrels",
    "e9oilbbl": "billion barrels", "e3oilbbl": "thousand barrels", "oilbbl": "barrels", "bbl": "barrels", "e6cuft": "million cu ft",
    "e9cuft": "billion cu ft", "e9km": "billion km", "e6km": "million km", "e6mi": "million mi", "e6lb": "million lb",
    "e3lb": "thousand lb", "e6kwh": "million kWh", "ly": "light-years", "acre": "acres", "e12": "trillion",
}  # fmt: skip

#: Words between two quantities of ``convert``.
RANGES = {
    "to": " to ", "and": " and ", "or": " or ", "by": " by ", "-": "–", "–": "–", "x": " × ", "×": " × ", "+/-": " ± ", "±": " ± ",
    "to(-)": " to ", "and(-)": " and ", "to-": " to ", "&": " & ", "+": " + ", "xx": " × ", "*": " × ", "to about": " to about ",
}  # fmt: skip

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
