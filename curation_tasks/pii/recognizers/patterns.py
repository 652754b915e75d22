"""E-mail addresses, URLs and phone numbers: Presidio's recognizers, run on the windows of the prefilter.

The patterns, flags, scores and validation are those of the installed ``presidio_analyzer``; what it finds in the whole
text is found here in the windows, with the same spans and scores. Two things differ, both for the better:

* Presidio stops a pattern after 60 seconds and goes on without its hits: results would depend on the clock. Here
  patterns run to their end.
* ``phonenumbers`` gives up on a text after 65,535 number-like stretches that are no numbers. Here each window has that
  allowance for itself, so that a long table is searched to its end.

Context words ("phone", "website") raise no score: that needs tokens of a language model. Scores equal those of
Presidio's own ``NoOpNlpEngine``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np

from curation_tasks.errors import ConfigError, did_you_mean
from curation_tasks.pii.prefilter import INTERNATIONAL_DIGITS, email_windows, phone_windows, url_windows, window_text
from curation_tasks.pii.spans import spans_from

#: Numbers written with nothing but digits and these have no extension, no country code and no vanity letters.
_PLAIN_NUMBER = re.compile(r"[0-9 ./()\[\]-]+")


def find_emails(offsets: np.ndarray, data: np.ndarray) -> np.ndarray:
    """E-mail addresses, as Presidio's ``EmailRecognizer`` finds them.

    Args:
        offsets: int64, shape (rows + 1,), as of ``kernels.utf8.text_buffers``.
        data: uint8, the UTF-8 bytes of all rows.

    Returns:
        ``SPAN``, in order of rows and positions.
    """
    windows = email_windows(offsets, data)
    return _in_windows(data, windows, "EMAIL_ADDRESS") if len(windows) else spans_from(windows, "EMAIL_ADDRESS", 0)


def find_urls(offsets: np.ndarray, data: np.ndarray) -> np.ndarray:
    """URLs, as Presidio's ``UrlRecognizer`` finds them; arguments and result as of ``find_emails``."""
    windows = url_windows(offsets, data)
    return _in_windows(data, windows, "URL") if len(windows) else spans_from(windows, "URL", 0)


def find_phones(offsets: np.ndarray, data: np.ndarray, regions: Sequence[str]) -> np.ndarray:
    """Phone numbers, as Presidio's ``PhoneRecognizer`` finds them.

    Args:
        offsets: int64, shape (rows + 1,), as of ``kernels.utf8.text_buffers``.
        data: uint8, the UTF-8 bytes of all rows.
        regions: Countries whose national formats are looked for (ISO 3166-1, two letters), in order. Numbers written
            with ``+`` are found whatever their country.

    Returns:
        ``SPAN``, in order of rows and positions.

    Raises:
        ConfigError: ``phonenumbers`` knows no numbers of a region.
    """
    regions = _known_regions(tuple(regions))
    minimum, short_starts = short_numbers(regions)
    found: list[tuple[int, int, int]] = []
    for row, start, end in phone_windows(offsets, data, minimum, short_starts).tolist():
        window = data[start:end].tobytes().decode()
        for first, last in _phones_in(window, regions):
            found.append((row, start + _bytes_before(window, first), start + _bytes_before(window, last)))
    return spans_from(np.array(found, np.int64).reshape(-1, 3), "PHONE_NUMBER", _phone_score() if found else 0)


def _in_windows(data: np.ndarray, windows: np.ndarray, entity: str) -> np.ndarray:
    """Runs a pattern recognizer once over all windows, joined by line feeds, which no hit can contain or look across."""
    joined, starts = window_text(data, windows)
    text = joined.decode()
    hits = _recognize(_recognizers()[entity], text)
    if not hits:
        return spans_from(np.empty((0, 3), np.int64), entity, 0)
    positions = np.array([hit[:2] for hit in hits], np.int64)
    if len(text) < len(joined):
        characters = np.flatnonzero((np.frombuffer(joined, np.uint8) & 0xC0) != 0x80)
        positions = np.append(characters, len(joined))[positions]
    window = np.searchsorted(starts, positions[:, 0], side="right") - 1
    absolute = positions + (windows[window, 1] - starts[window])[:, None]
    return spans_from(np.column_stack([windows[window, 0], absolute]), entity, np.array([hit[2] for hit in hits]))


def _recognize(recognizer: Any, text: str) -> list[tuple[int, int, float]]:
    """What ``PatternRecognizer.analyze`` does, without its clock and its explanations."""
    import regex
    from presidio_analyzer import EntityRecognizer

    hits = []
    for pattern in recognizer.patterns:
        for match in regex.compile(pattern.regex, recognizer.global_regex_flags).finditer(text):
            valid = recognizer.validate_result(match.group()) if match.group() else False
            score = pattern.score if valid is None else EntityRecognizer.MAX_SCORE if valid else EntityRecognizer.MIN_SCORE
            if score > EntityRecognizer.MIN_SCORE:
                hits.append((*match.span(), score))
    return without_contained(hits)


def without_contained(hits: Iterable[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """Hits of one entity without those that lie within another of at least their score, in order of position.

    The rule of Presidio's ``EntityRecognizer.remove_duplicates``.
    """
    kept: list[tuple[int, int, float]] = []
    active: list[tuple[int, int, float]] = []
    for hit in sorted(set(hits), key=lambda hit: (hit[0], -hit[1], -hit[2])):
        active = [other for other in active if other[1] >= hit[0]]
        if not any(other[1] >= hit[1] and other[2] >= hit[2] for other in active):
            kept.append(hit)
            active.append(hit)
    return kept


@cache
def _recognizers() -> dict[str, Any]:
    import tldextract
    from presidio_analyzer.predefined_recognizers import EmailRecognizer, UrlRecognizer

    # The list of public suffixes inside the package: no network, no cache folder, the same result everywhere.
    extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    class OfflineEmailRecognizer(EmailRecognizer):
        def validate_result(self, pattern_text: str) -> bool:
            return extract(pattern_text).fqdn != ""

    return {"EMAIL_ADDRESS": OfflineEmailRecognizer(), "URL": UrlRecognizer()}


@cache
def _phone_score() -> float:
    from presidio_analyzer.predefined_recognizers import PhoneRecognizer

    return PhoneRecognizer.SCORE


@cache
def _known_regions(regions: tuple[str, ...]) -> tuple[str, ...]:
    from phonenumbers import SUPPORTED_REGIONS

    for region in regions:
        if region not in SUPPORTED_REGIONS:
            raise ConfigError(
                f"no phone numbers are known of the region {region!r}",
                where="pii.redact: phone_regions",
                expected=f"two letters of ISO 3166-1; {did_you_mean(region, SUPPORTED_REGIONS)}",
                remedy="mend phone_regions",
            )
    return regions


@lru_cache(maxsize=1 << 16)
def _phones_in(window: str, regions: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """What ``PhoneRecognizer.analyze`` does, region by region, without its explanations."""
    matcher = _matcher_class()
    hits = [(match.start, match.end, 1.0) for region in regions for match in matcher(window, region)]
    return tuple((start, end) for start, end, _ in without_contained(hits)) if hits else ()


@cache
def _matcher_class() -> type:
    from phonenumbers import PhoneNumberMatcher

    class QuickMatcher(PhoneNumberMatcher):
        """``PhoneNumberMatcher`` that does not parse what cannot be a number of its region (leniency VALID, as Presidio's)."""

        def _parse_and_verify(self, candidate: str, offset: int) -> Any:
            return super()._parse_and_verify(candidate, offset) if _can_be_number(candidate, self.preferred_region) else None

    return QuickMatcher


@lru_cache(maxsize=1 << 16)
def _can_be_number(candidate: str, region: str) -> bool:
    """False only for what ``parse`` and ``is_valid_number`` are bound to refuse.

    A valid number matches the general pattern of a country with its country code. Of a plain number, ``parse`` takes for
    the national number: all digits, those behind a national prefix, or behind the country code written without plus.
    Anything else (an international prefix, an extension, letters, a plus sign) is left to ``parse``.
    """
    if not _PLAIN_NUMBER.fullmatch(candidate):
        return True
    digits = re.sub(r"[^0-9]", "", candidate)
    international, code, _ = _region(region)
    if international and international.match(digits):
        return True
    return any(_is_national(number, region) for number in (digits, *([digits[len(code) :]] if digits.startswith(code) else [])))


def _is_national(digits: str, region: str) -> bool:
    """Whether digits, or what is left of them without a national prefix, match a country's general pattern."""
    _, _, patterns = _region(region)
    return any(pattern.fullmatch(number) for number in _national_numbers(digits, region) for pattern in patterns)


def _national_numbers(digits: str, region: str) -> tuple[str, ...]:
    from phonenumbers import PhoneMetadata
    from phonenumbers.phonenumberutil import _maybe_strip_national_prefix_carrier_code

    if not digits:
        return ()
    _, stripped, _ = _maybe_strip_national_prefix_carrier_code(digits, PhoneMetadata.metadata_for_region(region))
    return (digits,) if stripped == digits else (digits, stripped)


@cache
def _region(region: str) -> tuple[re.Pattern | None, str, tuple[re.Pattern, ...]]:
    """International prefix, country code, and the general patterns of all countries that share the code."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

    metadata = PhoneMetadata.metadata_for_region(region)
    sharing = [PhoneMetadata.metadata_for_region(other) for other in COUNTRY_CODE_TO_REGION_CODE[metadata.country_code]]
    patterns = dict.fromkeys(other.general_desc.national_number_pattern for other in sharing)
    prefix = re.compile(metadata.international_prefix) if metadata.international_prefix else None
    return prefix, str(metadata.country_code), tuple(re.compile(pattern) for pattern in patterns)


@cache
def short_numbers(regions: tuple[str, ...]) -> tuple[int, np.ndarray]:
    """Which numbers of fewer than ``INTERNATIONAL_DIGITS`` digits the regions have (Germany: 1600 to 1699).

    Returns:
        ``(minimum, starts)``: the fewest digits of a valid number, at most ``INTERNATIONAL_DIGITS``; bool, shape (100,):
        the two digits that such a short number can start with.
    """
    minimum, starts = INTERNATIONAL_DIGITS, np.zeros(100, np.bool_)
    for region in regions:
        for length in range(_fewest_digits(region), INTERNATIONAL_DIGITS):
            for digits in (str(number).zfill(length) for number in range(10**length)):
                if _is_national(digits, region) and _has_type(digits, region):
                    minimum = min(minimum, length)
                    starts[int(digits[:2])] = True
    return minimum, starts


def _has_type(digits: str, region: str) -> bool:
    """Whether a number is a landline, a mobile, or any other type of number: ``is_valid_number`` asks no more."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberType
    from phonenumbers.phonenumberutil import _number_type_helper

    sharing = COUNTRY_CODE_TO_REGION_CODE[PhoneMetadata.metadata_for_region(region).country_code]
    return any(
        _number_type_helper(number, PhoneMetadata.metadata_for_region(other)) != PhoneNumberType.UNKNOWN
        for number in _national_numbers(digits, region)
        for other in sharing
    )


def _fewest_digits(region: str) -> int:
    """Fewest digits that a valid national number can be written with, from below.

    Some countries put an area code before a short number as they parse it; then any number of digits is tried.
    """
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

    metadata = PhoneMetadata.metadata_for_region(region)
    if re.search(r"[0-9]", re.sub(r"\\[0-9]", "", metadata.national_prefix_transform_rule or "")):
        return 2
    sharing = [PhoneMetadata.metadata_for_region(other) for other in COUNTRY_CODE_TO_REGION_CODE[metadata.country_code]]
    return max(2, min(min(other.general_desc.possible_length) for other in sharing))


def _bytes_before(text: str, characters: int) -> int:
    return characters if text.isascii() else len(text[:characters].encode())
