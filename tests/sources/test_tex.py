"""TeX becomes the text that a reader of the paper sees, within bounds whatever the source holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.sources.tex_files import decoded, main_file, source_of
from curation_tasks.sources.tex_macros import Macros
from curation_tasks.sources.tex_reading import Text, without_comments
from curation_tasks.sources.tex_text import TexOptions, paper_of


def text_of(source, **options):
    return paper_of(without_comments(source), TexOptions(**options)).text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain text\non two lines", "plain text on two lines"),
        ("one\n\n  \n\ntwo\\par three", "one\n\ntwo\n\nthree"),
        ("kept % not kept\nhere", "kept here"),
        ("50\\% and \\url{http://a.b/%20c}", "50% and http://a.b/%20c"),
        (r"\textbf{Bold} and {\em slanted} and \emph{both {\bf kinds}}", "Bold and slanted and both kinds"),
        (r"G\"odel, Erd\H{o}s, \'Etude, na\"\i ve, \c{c}a, \v Capek", "Gödel, Erdős, Étude, naïve, ça, Čapek"),
        (r"\aa ngstr\"{o}m, {\o}re, stra\ss e, \OE uvre", "ångström, øre, straße, Œuvre"),
        ("``good'' --- 1--2 `so' it's", "“good” — 1–2 ‘so' it's"),
        (r"a~b \& c\_d \{e\} \$5 \S 3 \ldots{} end\\next", "a b & c_d {e} $5 §3 … end next"),
        (r"As in~\cite{a,b}, and \citep[p.~3]{c}. See (see \cite{d}) Fig.~\ref{f}.", "As in, and. See Fig."),
        (r"\section{One\label{s}} text \subsection*{Two} more", "One\n\ntext\n\nTwo\n\nmore"),
        (r"\begin{itemize}\item one \item[b] two\end{itemize}", "one\nb two"),
        (r"a\footnote{hidden \emph{note}} b\vspace{1cm} c \hskip 2pt plus 1pt d", "a b c d"),
        (r"\begin{figure}[t]\includegraphics[width=3cm]{x}\caption{No}\end{figure}after", "after"),
        (r"a \begin{table}\begin{tabular}{ll}1&2\end{tabular}\end{table} b", "a b"),
        (r"a\begin{thebibliography}{9}\bibitem{x} X\end{thebibliography}", "a"),
        (r"\href{http://x}{the site} \textcolor{red}{red} \verb|a_b| \verb*+c+", "the site red a_b c"),
        (r"\iffalse gone \iffoo x \fi gone \else kept \fi after", "kept after"),
        (r"\begin{theorem}[Main] All is well.\end{theorem} \begin{proof} Clear. \end{proof}", "All is well.\n\nClear."),
        (r"an \unknown{argument} \and[x]{more}", "an argument more"),
        ("\\begin{verbatim}\ncode {\n\\end{verbatim}after", "after"),
        (r"\begin{figure} never closed", "never closed"),
        (r"{\bf open \emph{so", "open so"),
        ("", ""),
    ],
)  # fmt: skip
def test_text_of_a_source(source, expected):
    assert text_of(source) == expected


@pytest.mark.parametrize(
    ("options", "source", "expected"),
    [
        ({}, r"so $a_{1}\le b$ and \(c\) hold", r"so $a_{1}\le b$ and $c$ hold"),
        ({}, "by\n\\[ x\n = 1 \\label{e} \\] it", "by\n$$x = 1$$\nit"),
        ({}, "$$y$$ \\begin{align}\na &= b \\nonumber \\\\\n\\label{e} c\\end{align}", "$$y$$\n\\begin{align} a &= b \\\\ c \\end{align}"),
        ({}, r"costs \$5 or $x$ \ensuremath{y}", r"costs $5 or $x$ $y$"),
        ({"math": "drop"}, r"so $a$ holds, by $b$, \[c\] \begin{equation}d\end{equation} too ($e$).", "so holds, by, too."),
        ({"footnotes": True}, r"a\footnote{A \emph{note}.} b", "a (A note.) b"),
        ({"code": True}, "\\begin{verbatim}\nif x:\n    $y$ % z\n\\end{verbatim}", "if x:\n    $y$"),
        ({"layout": "markdown"}, r"\section{A} \subsubsection{B} c", "## A\n\n#### B\n\nc"),
        ({}, r"open $x and more", "open x and more"),
    ],
)
def test_options_and_formulas(options, source, expected):
    assert text_of(source, **options) == expected


@pytest.mark.parametrize(
    ("definition", "use", "expected"),
    [
        (r"\newcommand{\eg}{e.g.\ }", r"\eg this", "e.g. this"),
        (r"\newcommand\pair[2]{(#1; #2)}", r"\pair{a}b \pair {c} {d}", "(a; b) (c; d)"),
        (r"\newcommand{\opt}[2][x]{#1-#2}", r"\opt{a} \opt[b]{c}", "x-a b-c"),
        (r"\def\sw#1#2{#2 #1}", r"\sw{a}{b}", "b a"),
        (r"\def\R{{\mathbb R}}", r"$x\in\R$ and \R", r"$x\in{\mathbb R}$ and R"),
        (r"\def\delimited#1;{x}", r"\delimited a;", "a;"),
        (r"\let\old=\textbf \let\short\eg \newcommand{\eg}{no}", r"\old{a}", "a"),
        (r"\DeclareMathOperator{\rank}{rank}", r"$\rank A$", r"$\operatorname{rank}  A$".replace("  ", " ")),
        (r"\NewDocumentCommand{\two}{mm}{#2#1}", r"\two{a}{b}", "ba"),
        (r"\newcommand{\inner}{in} \newcommand{\outer}[1]{<\inner #1>}", r"\outer{\inner}", "<inin>"),
        (r"\renewcommand{\section}[1]{#1!}", r"\section{A} b", "A\n\nb"),
        (r"\renewcommand{\H}{\ensuremath{H}\xspace}", r"in \H we, in \H.", "in $H$ we, in $H$."),
        (r"\providecommand{\x}{a} \long\def\y{b}", r"\x\y", "ab"),
    ],
)
def test_macros(definition, use, expected):
    for source in (definition + r"\begin{document}" + use + r"\end{document} after", definition + "\n\n" + use):
        assert text_of(source) == expected


def test_title_abstract_and_sections():
    source = r"""\documentclass{a}\title[short]{On \foo{} of
        G\"odel\thanks{x}}\newcommand{\foo}{things}\author{A}
    \begin{document}\maketitle\begin{abstract}We show $x$.\end{abstract}\section{First}a\section{Second $y$}b\end{document}\section{No}"""
    paper = paper_of(without_comments(source))
    assert (paper.title, paper.abstract) == ("On of Gödel", "We show $x$.")
    assert paper.section_titles == ["First", "Second $y$"]
    assert paper.text == "We show $x$.\n\nFirst\n\na\n\nSecond $y$\n\nb"


@pytest.mark.parametrize(
    "source",
    [
        r"\def\a{\a\a}\a",
        r"\def\a{\b\b}\def\b{\a\a}\a",
        r"\newcommand{\a}[1]{#1#1#1#1#1#1#1#1}\a{\a{\a{\a{\a{\a{\a{\a{\a{\a{x}}}}}}}}}}",
        "".join(rf"\def\{chr(98 + k)}{{\{chr(97 + k)}\{chr(97 + k)}}}" for k in range(24)) + r"\def\a{xxxxxxxxxxxxxxxx}\y $\y$",
        r"\newcommand{\a}[1]{\a{#1#1}}\a{x} $\a{x}$",
        r"\let\a\b\let\b\a\a\b",
    ],
)
def test_macros_that_never_end_are_bounded(source):
    paper = paper_of(source)
    assert len(paper.text) <= 64 * 2**20


def test_a_macro_beyond_the_bounds_is_nothing_and_is_told():
    assert paper_of(r"\def\a{\a\a}a \a b").bounded
    macros = Macros(frozenset(), expansions=2)
    macros.define("def", Text(r"\x{y}"), 0)
    assert [macros.expand("x", Text(""), 0)[0] for _ in range(3)] == ["y", "y", ""]
    assert macros.exhausted


OPEN = [
    *(r"\begin{figure}", r"\begin{equation}", "{", "}", "$", "$$", r"\[", r"\(", r"\section{", r"\footnote{", r"\item[", r"\title{"),
    *(
        r"\iffalse ",
        r"\else ",
        r"\verb|",
        r"\newcommand{\x}",
        r"\def\x#1",
        "\\",
        "%",
        "~",
        r"\cite[",
        r"\'{",
        " ",
        "\n\n",
        r"\input{a}",
        "``",
    ),
    *(r"\emph{a", r"\abstract{", r"\section\section", r"\begin{", r"\ensuremath", "[", r"\let\a", "(", "\x01"),
]


@pytest.mark.parametrize("piece", OPEN)
def test_whatever_is_left_open_is_read_in_one_go(piece):
    """A quadratic reading of these would take hours; the time limit of tests is the assertion."""
    source_of({"a.tex": b"", "m.tex": (r"\documentclass{a}\begin{document}" + piece * (300_000 // len(piece))).encode()})
    text_of(piece * (300_000 // len(piece)), footnotes=True)


CLOSED = [
    *(r"\end{figure}", r"\end{equation}", r"\x{a}{b}", r"\newcommand{\x}[2][d]{#1\x#2}", "#1", "]", r"\fi", "é", "a b", r"\]", "&", "-"),
    *(r"\begin{document}", r"\end{document}", r"\documentclass{a}", r"\"o", r"\ss", r"\end{a}", r"\begin{a}"),
]
PIECES = st.sampled_from([*OPEN, *CLOSED])


@pytest.mark.parametrize(
    "command", [r"\section", r"\'", r"\url", r"\ensuremath", r"\title", r"\item", r"\let\a", r"\cite", r"\verb", r"\a"]
)
def test_no_argument_is_taken_from_behind_a_heading(command):
    """What fuzzing found: the mark of the heading's end was the argument, and stood in the text."""
    paper = paper_of(rf"\def\a#1{{#1}}\section{command}" + " end of it.")
    assert paper.text == "end of it."
    assert paper.section_titles == []


@given(pieces=st.lists(PIECES | st.text(max_size=5), max_size=40), math=st.sampled_from(["latex", "drop"]), code=st.booleans())
def test_anything_becomes_text(pieces, math, code):
    paper = paper_of(without_comments("".join(pieces)), TexOptions(math=math, footnotes=True, code=code, layout="markdown"))
    for text in (paper.text, paper.title, paper.abstract, *paper.section_titles):
        text.encode("utf-8", "surrogatepass")
        assert not any(mark in text for mark in "\x01\x02\x03\x04\x05\x06")
    assert paper.text == paper.text.strip(" \n")


# --- files ---------------------------------------------------------------------------------------------------------------


RUSSIAN = "Это простой русский текст, который написан давно. "


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("é".encode(), "é"),
        ("\ufeffé".encode(), "é"),
        ("é".encode("utf-16"), "é"),
        ("é".encode("cp1252"), "é"),
        (r"\usepackage[latin2]{inputenc} ł".encode("iso8859-2"), r"\usepackage[latin2]{inputenc} ł"),
        (r"\usepackage[T1,koi8-r]{inputenc} жизнь".encode("koi8-r"), r"\usepackage[T1,koi8-r]{inputenc} жизнь"),
        ("\\usepackage[utf8]{inputenc} Müller said so".encode("cp1252"), "\\usepackage[utf8]{inputenc} Müller said so"),
        (
            ("Это простой русский текст, который написан давно. " * 5).encode("cp1251"),
            "Это простой русский текст, который написан давно. " * 5,
        ),
    ],
)
def test_encodings(data, expected):
    assert decoded(data) == expected


def article(body, head=""):
    return (r"\documentclass{article}" + head + r"\begin{document}" + body + r"\end{document}").encode()


README = b'{"sources": [{"filename": "b.tex", "usage": "toplevel"}]}'


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a.tex": b"\\section{x}", "b.tex": article("x")}, "b.tex"),
        ({"a.tex": article("x" * 100), "main.tex": article("x")}, "main.tex"),
        ({"a.tex": article("x"), "b.tex": article("x" * 100)}, "b.tex"),
        ({"a.tex": article("x" * 99), "b.tex": article(r"\input{a}")}, "b.tex"),
        ({"ms.tex": b"% \\documentclass\n\\documentclass{a}", "z.tex": article("x")}, "z.tex"),
        ({"a.tex": article("x" * 9), "b.tex": article("x"), "00README.XXX": b"b.tex toplevelfile\n"}, "b.tex"),
        ({"a.tex": article("x" * 9), "b.tex": article("x"), "00README.XXX": b"a.tex ignore\n"}, "b.tex"),
        ({"a.tex": article("x" * 9), "b.tex": article("x"), "00README.json": README}, "b.tex"),
        ({"a.tex": article("x"), "00README.json": b"[", "00README": b"\xff"}, "a.tex"),
        ({"old.tex": b"\\magnification=1200 Text \\bye", "x.sty": b"\\documentclass"}, "old.tex"),
        ({"paper": b"{\\bf text}"}, "paper"),
        ({"sub/a.tex": article("x" * 9), "b.tex": article("x")}, "b.tex"),
        ({"notes.txt": b"no commands"}, None),
        ({"LICENSE.tex": b"no commands"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_the_main_file(files, expected):
    assert main_file(files, lambda name: without_comments(decoded(files[name]))) == expected


def test_includes_are_resolved_inside_the_package_only():
    files = {
        "m.tex": article(
            r"\input{a} \include{sub/b} \input c \subfile{nowhere} % \input{a}"
            + "\n"
            + r"\import{sub/}{d}\input{../../etc/passwd}\input{/etc/passwd}"
        ),
        "a.tex": b"A",
        "sub/b.tex": rb"B \input{d} \input{sub/d.tex}\endinput not this",
        "c": b"C",
        "sub/d.tex": b"D",
    }
    source = source_of(files)
    assert paper_of(source.text).text.split() == ["A", "B", "D", "D", "C", "D"]
    assert (source.missing, source.bounded) == (3, False)


@pytest.mark.parametrize(
    "files",
    [
        {"m.tex": article(r"x \input{m}")},
        {"m.tex": article(r"x \input{a}"), "a.tex": rb"\input{b}", "b.tex": rb"\input{a}"},
        {"m.tex": article(r"x \input{a0}")} | {f"a{k}.tex": (rf"\input{{a{k + 1}}}" * 9).encode() for k in range(12)},
        {"m.tex": article(r"x" + r"\input{a}" * 5_000), "a.tex": b"y" * 100_000},
    ],
)
def test_includes_that_never_end_are_bounded(files):
    source = source_of(files)
    assert source.bounded
    assert len(source.text) < 64 * 2**20
