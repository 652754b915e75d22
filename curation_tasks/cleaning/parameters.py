"""Parameters of operations on characters and pieces of text. Imports no engine."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from curation_tasks.parts import Parameters

#: Phrases of cookie notices and the like: those of NeMo Curator's ``BoilerPlateStringModifier``, the short ones.
POLICY_PHRASES = (
    "terms of use", "privacy policy", "cookie policy", "uses cookies", "privacy overview", "use of cookies", "use cookies",
    "privacy & cookies policy", "privacy and cookies policy",
)  # fmt: skip


class QuotesParameters(Parameters):
    """Which marks become straight quotes. Further candidates: U+201A and U+201E (low), U+2032 and U+2033 (primes), « and »."""

    single: str = Field("\u2018\u2019", description="Characters that become `'`.")
    double: str = Field("\u201c\u201d", description='Characters that become `"`.')

    @field_validator("single", "double")
    @classmethod
    def _not_ascii(cls, marks: str) -> str:
        if any(mark.isascii() for mark in marks):
            raise ValueError(f"{marks!r} holds an ASCII character; list only marks beyond ASCII, one after the other")
        return marks

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        both = sorted(set(self.single) & set(self.double))
        if both:
            raise ValueError(f"{''.join(both)!r} stands under `single` and under `double`")
        return self


class UnicodeParameters(Parameters):
    """The options of ``ftfy.TextFixerConfig``. The defaults are those of NeMo Curator's ``UnicodeReformatter``, which change
    less than ftfy's own: no normalization, and quotes, line breaks, widths and ligatures stay as they are."""

    unescape_html: bool | Literal["auto"] = Field(
        "auto", description="Replace HTML entities; `auto`: not in a text, or the rest of a text, that has a `<`."
    )
    remove_terminal_escapes: bool = Field(True, description="Remove ANSI escapes, as for colours.")
    fix_encoding: bool = Field(True, description="Find mojibake and decode it as it was meant.")
    restore_byte_a0: bool = Field(
        True, description="With fix_encoding: take a space for a no-break space where that makes mojibake readable."
    )
    replace_lossy_sequences: bool = Field(True, description="With fix_encoding: put U+FFFD for mojibake that lost a byte.")
    decode_inconsistent_utf8: bool = Field(True, description="With fix_encoding: decode pieces, where the whole cannot be decoded.")
    fix_c1_controls: bool = Field(True, description="Take U+0080 to U+009F for the characters of Windows-1252.")
    fix_latin_ligatures: bool = Field(False, description="Replace ligatures such as U+FB01 by their letters.")
    fix_character_width: bool = Field(False, description="Replace fullwidth Latin and halfwidth Katakana.")
    uncurl_quotes: bool = Field(False, description="Replace curly quotes; `cleaning.quotes` does it faster.")
    fix_line_breaks: bool = Field(False, description="Replace CR, CRLF, U+0085, U+2028 and U+2029 by line feeds.")
    fix_surrogates: bool = Field(True, description="Without effect: Arrow holds no surrogates. Named for completeness.")
    remove_control_chars: bool = Field(True, description="Remove control characters that have no displayed effect.")
    normalization: Literal["NFC", "NFD", "NFKC", "NFKD"] | None = Field(None, description="Unicode normalization.")
    max_decode_length: int = Field(1_000_000, ge=1, description="Characters of a line that ftfy looks at in one go.")


class EnclosingQuotesParameters(Parameters):
    """Which marks count as a pair around a whole text."""

    pairs: tuple[str, ...] = Field(
        ('""',), description='Each an opening and a closing mark, as `""`, `\u201c\u201d` or `\u00ab\u00bb`.', min_length=1
    )

    @field_validator("pairs")
    @classmethod
    def _two_marks(cls, pairs: tuple[str, ...]) -> tuple[str, ...]:
        for pair in pairs:
            if len(pair) != 2 or pair.isspace():
                raise ValueError(f"{pair!r} is no pair: give the opening and the closing mark, one behind the other")
        return pairs


class NewlinesParameters(Parameters):
    """How lines may break."""

    max_consecutive: int = Field(2, ge=0, description="Line feeds that may stand in a row; 0: no limit.")
    carriage_returns: bool = Field(True, description="CR LF and CR become a line feed.")
    line_separators: bool = Field(False, description="Vertical tab, form feed, U+0085, U+2028 and U+2029 become a line feed.")


class CharactersParameters(Parameters):
    """Which characters without a glyph go."""

    controls: bool = Field(
        True,
        description="Control characters, noncharacters and interlinear annotation go; tab, line breaks and next line stay, "
        "U+001C to U+001F become a space.",
    )
    zero_width: bool = Field(True, description="Zero-width space, word joiner, byte-order mark, soft hyphen and invisible operators go.")
    joiners: Literal["where_needed", "keep", "remove"] = Field(
        "where_needed",
        description="Zero-width joiner and non-joiner; `where_needed`: they stay behind emoji and letters of scripts that join.",
    )
    directions: bool = Field(False, description="Direction marks, embeddings, overrides and isolates go.")
    private_use: bool = Field(False, description="Characters for private use go.")
    replacement_characters: bool = Field(False, description="U+FFFD and U+FFFC go.")


class UrlsParameters(Parameters):
    """What stands for a URL."""

    replacement: str = Field("", description="Text in the place of each URL, as `<URL>`; without one, no double space is left behind.")


class MarkdownParameters(Parameters):
    """Which marks of Markdown go."""

    emphasis: bool = Field(True, description="`**bold**`, `*italic*`, `__bold__`, `_italic_`; `snake_case` and `2*3*4` stay.")
    links: Literal["text", "url", "keep"] = Field("text", description="What stays of `[text](url)`; NeMo Curator keeps the url.")
    images: bool = Field(True, description="`![text](url)` becomes its text.")
    headings: bool = Field(True, description="`## Heading` becomes `Heading`.")
    quotes: bool = Field(True, description="`> ` goes at the beginning of a line.")
    code: bool = Field(True, description="Backticks around code go.")
    fences: bool = Field(True, description="Lines of three backticks or tildes go; what stands between them stays.")
    strikethrough: bool = Field(True, description="`~~text~~` becomes its text.")

    def kinds(self) -> list[str]:
        """The names that ``kernels.markdown`` has for them."""
        kinds = [name for name in type(self).model_fields if getattr(self, name) is True]
        return kinds + {"text": ["links"], "url": ["link_urls"], "keep": []}[self.links]


class BoilerplateParameters(Parameters):
    """Which paragraphs go."""

    phrases: tuple[str, ...] = Field(
        POLICY_PHRASES, min_length=1, max_length=60, description="Paragraphs with one of these go, whatever the case of ASCII letters."
    )
    where: Literal["edges", "anywhere"] = Field("edges", description="`edges`: only unbroken runs at the top and at the bottom of a text.")
    lorem_ipsum: Literal["reject", "keep"] = Field("reject", description="What becomes of documents that hold `lorem ipsum`.")
    max_removed_word_ratio: float | None = Field(None, ge=0, le=1, description="Reject documents that lose a larger share of their words.")

    @field_validator("phrases")
    @classmethod
    def _not_empty(cls, phrases: tuple[str, ...]) -> tuple[str, ...]:
        if any(not phrase.strip() for phrase in phrases):
            raise ValueError("an empty phrase stands in every paragraph")
        return phrases

    def reasons(self) -> list[str]:
        return [*(["boilerplate.lorem_ipsum"] if self.lorem_ipsum == "reject" else []), *self.thresholds()]

    def thresholds(self) -> dict[str, tuple[str, float]]:
        if self.max_removed_word_ratio is None:
            return {}
        return {"boilerplate.removed_word_ratio.max": ("boilerplate_removed_word_ratio", self.max_removed_word_ratio)}


class SliceParameters(Parameters):
    """Where a text is cut. A number counts characters, from the end where negative; a string is a marker."""

    left: int | str | None = Field(
        None, description="Beginning of the slice: a number of characters, or a marker, of which the first counts."
    )
    right: int | str | None = Field(None, description="Its end: a number of characters, or a marker, of which the last counts.")
    include_left: bool = Field(True, description="The left marker belongs to the slice.")
    include_right: bool = Field(True, description="The right marker belongs to the slice.")
    strip: bool = Field(True, description="White space at the ends of the slice goes.")
    missing: Literal["keep", "empty", "reject"] = Field(
        "keep", description="What becomes of a text without a marker: it stays whole, becomes empty (as in NeMo Curator), or is rejected."
    )

    @field_validator("left", "right")
    @classmethod
    def _not_empty(cls, edge: int | str | None) -> int | str | None:
        if edge == "":
            raise ValueError("an empty marker marks nothing")
        return edge

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.left is None and self.right is None:
            raise ValueError("there is nothing to cut: give `left`, `right` or both")
        return self


class NormalizeParameters(Parameters):
    """A form of the text for comparison, in a column of its own."""

    steps: tuple[Literal["diacritics", "punctuation", "digits", "lower", "whitespace"], ...] = Field(
        ("diacritics", "punctuation", "digits", "lower", "whitespace"),
        min_length=1,
        description="As datatrove's simplification of text before hashing. Their order is of no consequence.",
    )
    into: str = Field("normalized_text", pattern=r"^[a-z][a-z0-9_]*$", description="Column to write; `text` rewrites the text itself.")

    @field_validator("steps")
    @classmethod
    def _sorted(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(steps)))  # so that the order in a file does not enter the key

    @field_validator("into")
    @classmethod
    def _not_identity(cls, name: str) -> str:
        if name in ("doc_id", "source", "snapshot"):
            raise ValueError(f"{name!r} says which document it is; write to another column")
        return name
