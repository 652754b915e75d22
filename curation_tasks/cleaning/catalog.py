"""What this room offers. Imports no engine."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from curation_tasks.cleaning.line_parameters import LinesParameters
from curation_tasks.parts import OperationPart, Parameters


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


PARTS = (
    OperationPart(
        name="cleaning.lines",
        summary="Removes lines by the rules of C4 or RefinedWeb, and counts what it removed",
        parameters=LinesParameters,
        implementation="curation_tasks.cleaning.lines:lines",
        rewrites=("text",),
        adds=lambda parameters: parameters.columns(),
        rejects=lambda parameters: parameters.reasons(),
        thresholds=lambda parameters: parameters.thresholds(),
        example={"rules": "c4", "max_removed_word_ratio": 0.5},
    ),
    OperationPart(
        name="cleaning.quotes",
        summary="Curly quotation marks become straight ones",
        parameters=QuotesParameters,
        implementation="curation_tasks.cleaning.quotes:quotes",
        rewrites=("text",),
    ),
    OperationPart(
        name="cleaning.unicode",
        summary="Mends mojibake, HTML entities and control characters (ftfy)",
        parameters=UnicodeParameters,
        implementation="curation_tasks.cleaning.unicode:unicode",
        rewrites=("text",),
        libraries=("ftfy",),
    ),
)
