"""Wikitext becomes the text that a reader of the page sees."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.kernels.wikitext import WikitextCleaner, WikitextOptions
from curation_tasks.kernels.wikitext_templates import TEMPLATES, parse_pattern

CYRILLIC = {6: ["Файл"], 14: ["Категория"]}
CLEANER = WikitextCleaner(CYRILLIC)


def clean(text, **options):
    cleaner = WikitextCleaner(CYRILLIC, WikitextOptions(**options)) if options else CLEANER
    [result] = cleaner.clean(pa.array([text])).texts.to_pylist()
    return result


LINKS_AND_LINES = {
    "plain text": "plain text",
    "'''Bold''' and ''italic'' and '''''both'''''.": "Bold and italic and both.",
    "the ''Titanic'''s crew": "the Titanic's crew",
    "''slanted '''and bold''' words''": "slanted and bold words",
    "rock 'n' roll": "rock 'n' roll",
    "a [[town]] by the [[River Test|river]]s, [[:Category:Rivers]]": "a town by the rivers, Category:Rivers",
    "an [[empty label|]] link": "an empty label link",
    "[[File:Map.svg|thumb|200px|A [[map]] of it]]Text": "Text",
    "[[Файл:Карта.svg|мини]]Текст [[файл:x.png]]": "Текст",
    "text\n[[Category:Rivers|Test]]\n[[de:Fluss]]\n[[zh-min-nan:Ho]]\n[[simple:River]]": "text",
    "[https://example.org its site], [https://example.org], [not a link]": "its site, [not a link]",
    "see https://example.org/a_b for more": "see https://example.org/a_b for more",
    "== History ==\nOld.\n=== Early === <!-- years -->\nOlder.": "History\nOld.\nEarly\nOlder.",
    "= not a heading\n==\ntext": "= not a heading\n==\ntext",
    "* one\n** two\n# three\n; term : meaning\n: indented": "one\ntwo\nthree\nterm : meaning\nindented",
    "one\n\n\n\ntwo\n----\nthree": "one\n\ntwo\n\nthree",
    "__NOTOC__\ntext __ОГЛ_СПРАВА__ goes on": "text goes on",
    "[[nested [[link|label]] inside]]": "nested label inside",
    # Found by the oracle: an edge behind an empty label, and three brackets in a row.
    "[[town|[[de:Stadt]]]] river, <b>[[de:Stadt]]</b> sea": "river, sea",
    "[[town|[https://a.b label]]] on": "label on",
}
TAGS_AND_ENTITIES = {
    "word<ref>source</ref> next<ref name=a /> one<ref name='b'>{{cite}}</ref>.": "word next one.",
    "an <ref>that is never closed": "an that is never closed",
    "a<!-- hidden [[link -->b": "ab",
    "gone <!-- to the end [[": "gone",
    "H<sub>2</sub>O, <b>bold</b>, <span style='x'>span</span>": "H2O, bold, span",
    "line<br>line<br />line": "line\nline\nline",
    "C: #include <stdio.h> and a < b > c": "C: #include <stdio.h> and a < b > c",
    "<nowiki>[[not]] ''mark-up'' &amp;</nowiki> <pre>raw {{x}}</pre>": "[[not]] ''mark-up'' & raw {{x}}",
    "<gallery>\nFile:a.jpg|caption\n</gallery>text": "text",
    "caf&eacute; &amp; tea&nbsp;&#233;&#xe9; &lt;b&gt; &unknown; &amp;lt; AT&T": "café & tea éé <b> &unknown; &lt; AT&T",
    "<math>E = mc^2</math> holds": "holds",
    "<syntaxhighlight lang=c>int x;</syntaxhighlight>code": "code",
}
TEMPLATES_AND_TABLES = {
    "{{Infobox|name=x\n|a={{b|c}}}}\n'''X''' is": "X is",
    "only {{convert|3|mi|km}} away, about {{convert|87|e6acre}}": "only 3 mi away, about 87 million acres",
    "{{convert|3|to|5|km2}}; {{cvt|6|ft|2|in|m}}; {{convert|20|–|25|C}}": "3 to 5 km²; 6 ft 2 in; 20–25 °C",
    "{{lang|de|Wort}}, {{lang-de|Wort ''zwei''}}, {{transl|ar|DIN|kitab}}": "Wort, Wort zwei, kitab",
    "{{as of|2008}}, {{As of|2008|9}}, {{as of|2008|9|3}}": "As of 2008, As of September 2008, As of 3 September 2008",
    "{{nihongo|Tokyo|東京|Tōkyō}} {{nowrap|a b}} {{'s}}{{snd}}{{val|1.5|e=6|ul=kg}}": "Tokyo (東京, Tōkyō) a b 's – 1.5×10^6 kg",
    "{{chem|H|2|O}} {{frac|1|2}} {{circa|1900}} {{HMS|Victory}} {{formatnum:1234}}": "H2O 1/2 c. 1900 HMS Victory 1234",
    "{{quote|text=Said {{nowrap|so<ref>{{cite}}</ref>}}.|author=X}}": "Said so.",
    "Alaska ({{IPAc-en|x}}) is ({{respell|y}}; born 1990) ({{z}}, {{z}}).": "Alaska is (born 1990).",
    "a {{citation needed}} b{{x}}, c {{y}}.": "a b, c.",
    "keep f() and ( ) as they are": "keep f() and ( ) as they are",
    "before\n{| class=wikitable\n! A !! B\n|-\n| 1 || {{x|y}}\n{|\n| inner\n|}\n|}\nafter": "before\n\nafter",
    "unclosed {{template and [[link and {| brace": "unclosed template and link and {| brace",
    "stray }} and ]] go": "stray and go",
    "{{unknown|{{convert|1|m}}}}x": "x",
}


@pytest.mark.parametrize(("text", "expected"), [*LINKS_AND_LINES.items(), *TAGS_AND_ENTITIES.items(), *TEMPLATES_AND_TABLES.items()])
def test_text_of_a_page(text, expected):
    assert clean(text) == expected


TABLE = '{| class="wikitable"\n|+ Rivers\n! Name !! scope="col" | Length\n|-\n| align=left | [[River Test|Test]] || {{convert|40|mi}}\n|}'


@pytest.mark.parametrize(
    ("options", "text", "expected"),
    [
        ({"tables": "text"}, TABLE, "Rivers\nName\nLength\n\nTest\n40 mi"),
        ({"math": "latex"}, "so <math> a_{1}^{2} </math> holds", "so $a_{1}^{2}$ holds"),
        ({"captions": "keep"}, "[[File:a.png|thumb|left|200px|alt=x|The ''[[map]]''.]]Text", "The map.\nText"),
        ({"captions": "keep"}, "[[File:a.png|thumb|upright=1.2]]Text", "Text"),
        ({"code": "keep"}, "<source lang=c>int a[[1]];</source>", "int a[[1]];"),
        ({"layout": "markdown"}, "== A ==\n* b\n## c\n: d\n===E===", "## A\n- b\n1. c\nd\n### E"),
        ({"drop_sections": ("See also",)}, "a\n== See also ==\nb\n=== c ===\nd\n== E ==\nf", "a\nE\nf"),
        ({"drop_sections": ("see also", "Notes")}, "a\n== See Also ==\nb\n==Notes==\n[[Category:C]]", "a"),
        ({"templates": {"greet": ("Hello {1}",)}}, "{{greet|you}}", "Hello you"),
        ({"templates": {"convert": ()}}, "a {{convert|1|m}} b", "a b"),
    ],
)
def test_options(options, text, expected):
    assert clean(text, **options) == expected


def test_sections_and_categories_are_columns():
    pages = CLEANER.clean(pa.array(["lead\n== A ==\n=== ''B'' ===\n[[Category:X y|z]][[Категория:Ъ]]", "", None, "== C ==\n"]))
    assert pages.section_titles.to_pylist() == [["A", "B"], [], [], ["C"]]
    assert pages.section_levels.to_pylist() == [[2, 3], [], [], [2]]
    assert pages.categories.to_pylist() == [["X y", "Ъ"], [], [], []]


def test_a_dropped_section_leaves_no_title():
    pages = WikitextCleaner(options=WikitextOptions(drop_sections=("B",))).clean(pa.array(["== A ==\n== B ==\n=== C ===\n== D =="]))
    assert pages.section_titles.to_pylist() == [["A", "D"]]


@pytest.mark.parametrize("pattern", ["{0}", "{-2}", "{1:weeks}", "{bad}", "a {1"])
def test_patterns_that_mean_nothing_are_refused(pattern):
    with pytest.raises(ValueError, match=r"argument|word list|form"):
        parse_pattern(pattern)


MARKS = """
[[ ]] {{ }} {| |} | || ! !! |- |+ [ ] ( ) {{{ }}} ' '' ''' '''' ''''' = == === * # : ; ---- <ref> </ref> <ref/> <ref name=x> <math>
</math> <nowiki> </nowiki> <!-- --> <pre> <br> <b> </b> < > & &amp; &#x1F600; &nGt; &#; __NOTOC__ __ http:// [http://a [https://b a - ¡ é
漢 \U0001f600 File: Category: Файл: de: {{lang|de| {{convert| {{as_of| {{nihongo| {{ubl| |2= =x text= , ; .
"""
FRAGMENTS = st.sampled_from([*MARKS.split(), "\n", "\n\n", " "])
WIKITEXT = st.lists(st.one_of(FRAGMENTS, st.text(max_size=4)), max_size=60).map("".join)
OPTIONS = st.builds(
    WikitextOptions,
    tables=st.sampled_from(["drop", "text"]),
    math=st.sampled_from(["drop", "latex"]),
    captions=st.sampled_from(["drop", "keep"]),
    layout=st.sampled_from(["text", "markdown"]),
    drop_sections=st.sampled_from([(), ("a",)]),
)


@given(pages=st.lists(WIKITEXT, max_size=5), options=OPTIONS)
def test_anything_becomes_valid_text_that_does_not_depend_on_its_neighbours(pages, options):
    cleaner = WikitextCleaner(CYRILLIC, options)
    result = cleaner.clean(pa.array(pages, pa.string()))
    for column in (result.texts, result.section_titles, result.categories):
        column.validate(full=True)
    alone = [cleaner.clean(pa.array([page])).texts[0].as_py() for page in pages]
    assert result.texts.to_pylist() == alone
    assert all(len(text.encode()) <= 2 * len(page.encode()) for text, page in zip(alone, pages, strict=True))


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_a_template_never_writes_more_than_twice_its_bytes(name):
    for text in (
        f"{{{{{name}}}}}",
        *(f"{{{{{name}|" + "|".join(arguments) + "}}" for arguments in (["9"], ["9", "9"], ["9", "9", "9", "9"])),
    ):
        assert len(clean(text).encode()) <= 2 * len(text.encode())


ADVERSARIAL = [
    *("[[a|", "{{a|", "<ref>a", "{|\n", "[http://a ", "{{lang|de|", "! a !! ", "[[", "\n|}", "'''", "<!--", "(((", "{{{", "[[File:|"),
    *("\n==", "&", "__", "<b ", "{{convert|", "]]", "{{x", "\n|", "<ref name=", "[[a", "\n{|\n|"),
]


def test_whatever_is_left_open_is_read_in_one_go():
    """A quadratic scan of these would take hours; the time limit of tests is the assertion."""
    for fragment in ADVERSARIAL:
        clean(fragment * (1_000_000 // len(fragment)), tables="text", captions="keep")


BOUNDS_CHECKED = """
import random
import pyarrow as pa
from tests.kernels.test_wikitext import ADVERSARIAL, CYRILLIC, LINKS_AND_LINES, TAGS_AND_ENTITIES, TEMPLATES_AND_TABLES, TABLE
from curation_tasks.kernels.wikitext import WikitextCleaner, WikitextOptions

chance = random.Random(5)
whole = [*LINKS_AND_LINES, *TAGS_AND_ENTITIES, *TEMPLATES_AND_TABLES, TABLE, *ADVERSARIAL]
everything = WikitextOptions("text", "latex", "keep", "keep", "markdown", ("History",))
cleaners = [WikitextCleaner(CYRILLIC), WikitextCleaner(CYRILLIC, everything)]
for _ in range(1000):
    pieces = [chance.choice(whole) for _ in range(chance.randrange(1, 6))]
    text = "".join(piece[chance.randrange(len(piece)) :] if chance.random() < 0.5 else piece for piece in pieces)
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(text) + 1)
        text = text[:at] + chance.choice(["", "[[", "}}", "|", "<", "'", "\\n", "=", "&", "é"]) + text[at + chance.randrange(3) :]
    for cleaner in cleaners:
        cleaner.clean(pa.array([text, "x", text[: len(text) // 2]])).texts.validate(full=True)
"""


def test_no_access_outside_an_array():
    root = Path(__file__).parents[2]
    # Code that checks bounds cannot be kept, of which Numba warns; it is compiled sooner when it need not be fast.
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_OPT": "0", "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-W", "ignore", "-c", BOUNDS_CHECKED], env=environment, cwd=root, check=True)
