"""The counts of ``curation_tasks.kernels.text_counts`` in plain Python: what the kernels are compared with.

Each line says what a count means, with the string methods and patterns of Python, one text at a time.
"""

from __future__ import annotations

import math
import re
import statistics
import unicodedata
from collections import Counter

from curation_tasks.kernels.characters import ALPHANUMERIC, LETTER, MARK, PUNCTUATION, TERMINAL, UPPER, character_classes
from curation_tasks.kernels.ending import CLOSERS, SPEECH_MARKS, TERMINATORS
from curation_tasks.kernels.known_phrases import POLICY_PHRASES
from curation_tasks.kernels.lines import BULLETS
from curation_tasks.kernels.sentence_breaks import _NAMES as SENTENCE_BREAKS
from curation_tasks.kernels.sentence_breaks import sentence_break_table
from curation_tasks.kernels.text_counts import GOPHER_STOP_WORDS
from curation_tasks.kernels.words import SYMBOL_WORDS

CLASSES = character_classes()
ELLIPSES = ("...", "\u2026")
MARKED_ELLIPSES = (*ELLIPSES, "[...]", "(...)", "[\u2026]", "(\u2026)", "-\u00bb", "read more", "read more..")
URL = re.compile(r"https?://(?:[A-Za-z0-9$\-_@.&+/:=?#~!*(),]|%[0-9A-Fa-f]{2})+")
LETTER_OR_DIGIT = r"[^\W_]"


def has(text, bit):
    return any(CLASSES[ord(character)] & bit for character in text)


def fold(text):
    """ASCII capitals as small letters."""
    return re.sub("[A-Z]", lambda found: found.group().lower(), text)


def word_spans(text, mode="whitespace"):
    if mode == "whitespace":
        return [found.span() for found in re.finditer(r"[^\s]+", text)]
    # Python's \w lacks the marks that belong to letters.
    kinds = "".join("w" if character == "_" or character.isalnum() or has(character, MARK) else "j" if character in "-'\u2019." else
                    " " if character.isspace() else "x" for character in text)  # fmt: skip
    return [found.span() for found in re.finditer("w+(?:jw+)*|[jx]", kinds)]


def plain_counts(text, mode="whitespace", stop_words=GOPHER_STOP_WORDS):
    """All counts of a text."""
    spans = word_spans(text, mode)
    return {
        **characters(text),
        **words([text[begin:end] for begin, end in spans], stop_words),
        **lines(text),
        **paragraphs(text),
        **phrases(text),
        "complete_ending": int(complete_ending(text)),
        "sentences": sum(has(sentence, ALPHANUMERIC) for sentence in sentences(text)),
        **grams(text, spans),
    }


def characters(text):
    return {
        "characters": len(text),
        "letters": sum(has(character, LETTER) for character in text),
        "upper_letters": sum(has(character, UPPER) for character in text),
        "digits": len(re.findall("[0-9]", text)),
        "basic_characters": len(re.findall(r"[a-zA-Z0-9\n?!,.]", text)),
        "blanks": len(re.findall("[ \t\n\r\b]", text)),
        "brackets": len(re.findall("[\\[\\](){}\u27e8\u27e9]", text)),
        "curly_brackets": len(re.findall("[{}]", text)),
        "hashes": text.count("#"),
        "ellipses": sum(text.count(mark) for mark in ELLIPSES),
        "newlines": text.count("\n"),
    }


def words(found, stop_words):
    plain = [word for word in found if not all(has(character, PUNCTUATION) for character in word)]
    frequencies = Counter(found)
    weighted = sum(times * math.log(times) for times in frequencies.values())
    return {
        "words": len(found),
        "word_characters": sum(map(len, found)),
        "longest_word": max(map(len, found), default=0),
        "plain_words": len(plain),
        "plain_word_characters": sum(map(len, plain)),
        "letter_words": sum(has(word, LETTER) for word in found),
        "capital_words": sum(
            any(unicodedata.category(c) in ("Lu", "Lt") for c in word) and not any(unicodedata.category(c) == "Ll" for c in word)
            for word in found
        ),
        "symbol_words": sum(word in SYMBOL_WORDS for word in found),
        "stop_words": sum(word in stop_words for word in found),
        "distinct_stop_words": len(set(found) & set(stop_words)),
        "twice_median_word_length": 2 * statistics.median(map(len, found)) if found else 0,
        "word_scores": 0,
        "unique_words": len(frequencies),
        "word_entropy": round(1e6 * (math.log(len(found)) - weighted / len(found))) if found else 0,
    }


def repeated(pieces):
    """Pieces that are equal to an earlier one."""
    return [piece for number, piece in enumerate(pieces) if piece in pieces[:number]]


def length(pieces):
    return sum(map(len, pieces))


def starts(pieces, marks):
    return sum(piece.lstrip().startswith(tuple(marks)) for piece in pieces)


def lines(text):
    pieces = text.split("\n")
    filled = [piece for piece in pieces if piece.strip()]
    split, runs = text.splitlines(), re.split("\n+", text)
    return {
        "lines": len(filled),
        "line_characters": length(filled),
        "short_lines": sum(len(line) <= 30 for line in filled),
        "terminal_lines": sum(has(line[-1], TERMINAL) for line in filled),
        "endmark_lines": sum(line.strip().endswith(tuple(".?!\"'")) for line in filled),
        "ellipsis_lines": sum(line.strip().endswith(ELLIPSES) for line in filled),
        "marked_ellipsis_lines": sum(fold(line.strip()).endswith(MARKED_ELLIPSES) for line in filled),
        "bullet_lines": starts(filled, BULLETS),
        "dash_bullet_lines": starts(filled, "\u2022-"),
        "star_bullet_lines": starts(filled, "*-"),
        "duplicate_lines": len(repeated(filled)),
        "duplicate_line_characters": length(repeated(filled)),
        "longest_line": max(map(len, pieces)),
        "long_lines": sum(len(piece) >= 200 for piece in pieces),
        "split_lines": len(split),
        "split_bullet_lines": starts(split, BULLETS),
        "split_dash_bullet_lines": starts(split, "\u2022-"),
        "split_star_bullet_lines": starts(split, "*-"),
        "split_ellipsis_lines": sum(line.rstrip().endswith(ELLIPSES) for line in split),
        "run_lines": len(runs),
        "duplicate_run_lines": len(repeated(runs)),
        "duplicate_run_line_characters": length(repeated(runs)),
    }


def paragraphs(text):
    pieces = re.split("\n{2,}", text.strip())
    return {
        "paragraphs": len(pieces),
        "paragraph_characters": length(pieces),
        "duplicate_paragraphs": len(repeated(pieces)),
        "duplicate_paragraph_characters": length(repeated(pieces)),
        "policy_paragraphs": sum(any(phrase in fold(piece) for phrase in POLICY_PHRASES) for piece in pieces),
    }


def phrases(text):
    urls = URL.findall(text)
    return {
        "policy_phrases": sum(len(re.findall(f"(?={re.escape(phrase)})", fold(text))) for phrase in POLICY_PHRASES),
        "lorem_ipsum": fold(text).count("lorem ipsum"),
        "javascript": fold(text).count("javascript"),
        "xml_header": int("<?xml version=" in fold(text[:100])),
        "url_characters": length(urls),
        "adult_urls": sum("porn" in url for url in urls),
    }


def complete_ending(text):
    text = text.rstrip()
    return text.endswith(tuple(SPEECH_MARKS)) or text.rstrip(CLOSERS).endswith(tuple(TERMINATORS))


#: A letter for each value of Sentence_Break, in the order of the table: R N P are CR LF Sep, A T are ATerm STerm.
KINDS = dict(zip(SENTENCE_BREAKS, "ORNPEFSlUo9AcTC", strict=True))
FEW = 200


def sentences(text):
    """Pieces between the boundaries of UAX #29, each rule a pattern on the properties before and behind a place."""
    table = sentence_break_table()
    kinds = "".join(KINDS[SENTENCE_BREAKS[table[ord(character)]]] for character in text)
    begin, found = 0, []
    for at in range(1, len(text)):
        if sentence_ends(kinds[max(0, at - FEW) : at], kinds[at : at + FEW]):
            found.append(text[begin:at])
            begin = at
    return [*found, text[begin:]]


def sentence_ends(before, behind):
    if before[-1] in "RNP":
        return not (before[-1] == "R" and behind[0] == "N")  # SB3, SB4
    if behind[0] in "EF":
        return False  # SB5
    before, behind = (re.sub("([^RNPEF])[EF]+", r"\1", kinds) for kinds in (before, behind))
    joined = (
        ("A$", "9"),  # SB6
        ("[Ul]A$", "U"),  # SB7
        ("AC*S*$", "[^oUlRNPTA]*l"),  # SB8
        ("[TA]C*S*$", "[cTA]"),  # SB8a
        ("[TA]C*$", "[CSRNP]"),  # SB9
        ("[TA]C*S*$", "[SRNP]"),  # SB10
    )
    if any(re.search(left, before) and re.match(right, behind) for left, right in joined):
        return False
    return bool(re.search("[TA]C*S*$", before))  # SB11


def grams(text, spans):
    counts = {}
    found = [text[begin:end] for begin, end in spans]
    for n in range(2, 11):
        occurrences = [tuple(found[at : at + n]) for at in range(len(found) - n + 1)]
        if n <= 4:
            top, times = Counter(occurrences).most_common(1)[0] if occurrences else ((), 0)
            inside = {
                at for k, gram in enumerate(occurrences) if gram == top and times > 1 for at in range(spans[k][0], spans[k + n - 1][1])
            }
            counts[f"top_{n}_gram_characters"] = len(inside)
            counts[f"top_{n}_gram_length"] = len(" ".join(top)) * times
            counts[f"top_{n}_gram_letters"] = length(top) * times
        else:
            counts[f"duplicate_{n}_gram_characters"] = one_behind_the_other(occurrences, n)
            counts[f"covered_{n}_gram_characters"] = covered(found, occurrences, n)
            copies = [gram for gram in occurrences if occurrences.count(gram) > 1]
            counts[f"repeated_{n}_gram_letters"] = sum(map(length, copies))
            counts[f"all_{n}_gram_letters"] = sum(map(length, occurrences))
    counts |= {"repeated_10_grams": len(copies), "all_10_grams": len(occurrences)}
    return counts


def one_behind_the_other(occurrences, n):
    seen, total, at = set(), 0, 0
    while at < len(occurrences):
        if occurrences[at] in seen:
            total += length(occurrences[at])
            at += n
        else:
            seen.add(occurrences[at])
            at += 1
    return total


def covered(found, occurrences, n):
    inside = {word for k, gram in enumerate(occurrences) if gram in occurrences[:k] for word in range(k, k + n)}
    # Repeated n-grams that touch without overlapping are runs of their own.
    total = until = 0
    for k, gram in enumerate(occurrences):
        if gram in occurrences[:k]:
            total -= k >= until
            until = k + n
    return total + sum(len(found[word]) + 1 for word in inside)
