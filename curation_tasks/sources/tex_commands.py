"""What the TeX scanner knows by name: commands, environments, accents and signs.

A command that stands in none of these tables loses its name and keeps what stands in its braces.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Command → how many arguments in braces go with it. Optional ones in brackets before each go too.
DROPPED_ARGUMENTS: dict[str, int] = {
    **dict.fromkeys(
        _words(
    "author affiliation altaffiliation address email thanks date institute orcid authorrunning titlerunning keywords "
    "subjclass pacs preprint dedicatory curraddr urladdr homepage corref cortext ead runningauthor runningtitle "
    "shorttitle shortauthors received revised accepted documentclass documentstyle usepackage RequirePackage "
    "bibliography bibliographystyle addbibresource graphicspath includegraphics includepdf epsfig psfig epsfbox epsffile "
    "input include label index glossary vspace hspace pagestyle thispagestyle pagenumbering bibitem nocite hypersetup "
    "newcounter stepcounter refstepcounter newlength newsavebox usebox hyphenation typeout message PackageWarning "
    "special caption captionsetup figurename tablename DeclareGraphicsExtensions newif numberwithin allowdisplaybreaks "
    "theoremstyle excludecomment includecomment selectlanguage color phantom hphantom vphantom footnotemark lstset "
    "tikzset usetikzlibrary pgfplotsset sisetup geometry footnote footnotetext marginpar todo cite citep citet citealp "
    "citealt citeauthor citeyear citeyearpar citen onlinecite parencite textcite autocite footcite citenum supercite "
    "fullcite ref eqref pageref autoref cref Cref vref nameref subref refeq figref secref"
),
        1,
    ),
    **dict.fromkeys(
        _words(
    "setlength addtolength setcounter addtocounter newtheorem newcolumntype rule numberline markboth fontsize crefname "
    "Crefname DeclareUnicodeCharacter newfont"
),
        2,
    ),
    **dict.fromkeys(_words("definecolor addcontentsline titleformat newenvironment renewenvironment"), 3),
    # The first argument is no text, the next is.
    **dict.fromkeys(_words(
    "textcolor colorbox raisebox scalebox href hyperlink hypertarget parbox makebox fontfamily fontseries fontshape"
), 1),
    **dict.fromkeys(_words("resizebox multicolumn multirow"), 2),
}  # fmt: skip

#: Command → level of the heading that its argument is.
SECTIONS = {
    "part": 1, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4, "paragraph": 5, "subparagraph": 6, "head": 2,
    "subhead": 3, "heading": 2, "subheading": 3, "sect": 2, "beginsection": 2, "addsec": 2, "addchap": 1,
}  # fmt: skip

#: Commands whose argument is a title or the abstract.
FRONT_MATTER = frozenset(["title", "abstract", "icmltitle", "Title"])

#: Commands behind which a length stands.
DIMENSIONED = _words("vskip hskip kern parindent parskip baselineskip hsize vsize hoffset voffset textwidth textheight")

#: Environments that go with their content.
DROPPED_ENVIRONMENTS = _words(
    "figure figure* wrapfigure subfigure floatingfigure SCfigure figwindow teaserfigure table table* wraptable "
    "sidewaystable sidewaystable* sidewaysfigure sidewaysfigure* tabular tabular* tabularx tabulary longtable longtable* "
    "deluxetable deluxetable* supertabular xtabular tabbing tikzpicture pspicture picture pgfpicture asy axis overpic "
    "feynmandiagram fmffile fmfgraph* thebibliography references biblist bibdiv comment filecontents filecontents* "
    "algorithm algorithm* algorithmic algorithm2e keyword keywords CCSXML IEEEkeywords AMS acronym titlepage "
    "webabstract htmlabstract asciiabstract "
    "frontmatter* tocloft htmlonly rawhtml"
)

#: Environments of source code.
CODE_ENVIRONMENTS = _words("verbatim verbatim* Verbatim BVerbatim lstlisting minted alltt code program semiverbatim spverbatim")

#: Environments of maths.
MATH_ENVIRONMENTS = _words(
    "equation equation* align align* alignat alignat* flalign flalign* gather gather* multline multline* eqnarray "
    "eqnarray* displaymath math subequations dmath dmath* IEEEeqnarray IEEEeqnarray* empheq mathpar prooftree cases "
    "split aligned gathered array eqalignno"
)

#: Environments whose arguments in braces are no text: name → how many.
ENVIRONMENT_ARGUMENTS = {"minipage": 1, "multicols": 1, "adjustwidth": 2, "list": 2, "spacing": 1, "otherlanguage": 1, "otherlanguage*": 1}

ACCENTS = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", '"': "\u0308", "=": "\u0304", ".": "\u0307", "u": "\u0306",
    "v": "\u030c", "H": "\u030b", "c": "\u0327", "d": "\u0323", "b": "\u0331", "k": "\u0328", "r": "\u030a", "t": "\u0361",
}  # fmt: skip

#: Quotes and dashes as TeX writes them.
QUOTES = {"``": "“", "''": "”", "`": "‘", "--": "–", "---": "—", "-": "-"}

#: Commands that are characters.
SYMBOLS = {
    "ss": "ß", "SS": "ẞ", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "aa": "å", "AA": "Å",
    "i": "ı", "j": "ȷ", "dh": "ð", "DH": "Ð", "th": "þ", "TH": "Þ", "dj": "đ", "DJ": "Đ", "ng": "ŋ", "NG": "Ŋ", "S": "§", "P": "¶",
    "copyright": "©", "pounds": "£", "dag": "†", "ddag": "‡", "dots": "…", "ldots": "…", "textellipsis": "…", "textendash": "–",
    "textemdash": "—", "textquoteleft": "‘", "textquoteright": "’", "textquotedblleft": "“", "textquotedblright": "”",
    "textquotesingle": "'", "textquotedbl": '"', "guillemotleft": "«", "guillemotright": "»", "flqq": "«", "frqq": "»", "glqq": "„",
    "grqq": "“", "quotedblbase": "„", "quotesinglbase": "‚", "textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^",
    "textunderscore": "_", "textbar": "|", "textless": "<", "textgreater": ">", "textbraceleft": "{", "textbraceright": "}",
    "textdollar": "$", "textdegree": "°", "degree": "°", "textregistered": "®", "texttrademark": "™", "textbullet": "•",
    "textperiodcentered": "·", "texteuro": "€", "euro": "€", "EUR": "€", "textmu": "µ", "texttimes": "×", "textpm": "±",
    "textonehalf": "½", "textsection": "§", "textparagraph": "¶", "textexclamdown": "¡", "textquestiondown": "¿", "textsterling": "£",
    "textordmasculine": "º", "textordfeminine": "ª", "textdagger": "†", "slash": "/", "LaTeX": "LaTeX", "TeX": "TeX",
    "LaTeXe": "LaTeX2e", "BibTeX": "BibTeX", "quad": " ", "qquad": " ", "space": " ", "enspace": " ", "thinspace": " ",
    "nobreakspace": " ", "textvisiblespace": " ", "lq": "‘", "rq": "’", "lbrack": "[", "rbrack": "]", "textasteriskcentered": "*",
}  # fmt: skip

#: Commands of one sign that is no letter.
SIGNS = {
    "&": "&", "%": "%", "$": "$", "#": "#", "_": "_", "{": "{", "}": "}", " ": " ", "\n": " ", "\t": " ", ",": " ", ";": " ",
    ":": " ", ">": " ", "!": "", "-": "", "/": "", "@": "", "\\": "\n", "|": "‖", "+": "", "*": "", "<": "", "3": "ß",
}  # fmt: skip

#: Commands that end a paragraph.
PARAGRAPHS = _words("par newpage clearpage cleardoublepage pagebreak bigskip medskip smallskip vfill vfil hrule maketitle appendix")
#: Commands that end a line.
LINES = _words("item newline linebreak tabularnewline cr hfill break hline toprule midrule bottomrule")

#: Options of ``inputenc`` → Python's names of encodings.
ENCODINGS = {
    "utf8": "utf-8", "utf8x": "utf-8", "latin1": "cp1252", "latin2": "iso8859-2", "latin3": "iso8859-3", "latin4": "iso8859-4",
    "latin5": "iso8859-9", "latin9": "iso8859-15", "latin10": "iso8859-16", "ansinew": "cp1252", "cp1250": "cp1250",
    "cp1251": "cp1251", "cp1252": "cp1252", "cp1257": "cp1257", "cp437": "cp437", "cp850": "cp850", "cp852": "cp852",
    "cp866": "cp866", "koi8-r": "koi8-r", "koi8-u": "koi8-u", "applemac": "mac-roman", "macce": "mac-latin2",
    "maccyr": "mac-cyrillic", "ascii": "ascii",
}  # fmt: skip
