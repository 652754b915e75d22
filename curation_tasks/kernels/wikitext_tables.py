"""What the wikitext scanner knows by name, packed into arrays: tags, templates, namespaces, entities, units.

One hash table holds all names; each begins with the kind of thing that it names. The value says what the scanner does
with it. Tables are made once for a wiki and a set of options; the kernels only look up.
"""

from __future__ import annotations

import html.entities
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from curation_tasks.kernels.compilation import inner
from curation_tasks.kernels.wikitext_templates import (
    ARGUMENT_KINDS,
    CONVERT,
    MONTHS,
    RANGES,
    TEMPLATES,
    UNITS,
    Piece,
    parse_pattern,
)

#: Kinds of names. Tags, templates and namespaces are found whatever the case of their ASCII letters.
TAG, TEMPLATE, FUNCTION, NAMESPACE, ENTITY, UNIT, RANGE, MONTH, KEYWORD, SECTION = range(1, 11)

#: What to do with a tag. The first three take the element with its content.
TAG_DROP, TAG_RAW, TAG_MATH, TAG_BREAK, TAG_STRIP = range(1, 6)
_TAG_ACTION_BITS = 3

#: What to do with a link into a namespace.
LINK_FILE, LINK_CATEGORY = 1, 2


def _words(text: str) -> list[str]:
    return text.split()


_DROPPED_TAGS = _words("""
    ref references gallery timeline score imagemap style script hiero graph mapframe maplink templatestyles includeonly
    templatedata inputbox categorytree indicator
""")
_CODE_TAGS = _words("syntaxhighlight source")
_MATH_TAGS = _words("math chem ce")
_RAW_TAGS = _words("nowiki pre")
_BREAK_TAGS = _words(
    "br hr p div li ol ul dl dt dd tr td th table tbody thead tfoot caption blockquote center h1 h2 h3 h4 h5 h6 poem section"
)
_STRIPPED_TAGS = _words("""
    a abbr b bdi bdo big cite code data del dfn em font i ins kbd mark nobr noinclude noscript onlyinclude q rb rbc rp rt
    rtc ruby s samp small span strike strong sub sup time translate tt tvar u var wbr col colgroup includes languages img
    iframe
""")
#: Words in a file link that are no caption.
_FILE_KEYWORDS = _words("""
    thumb thumbnail frame framed frameless border left right center centre none upright baseline middle top bottom text-top
    text-bottom super sub
""")

#: Entities whose character is a kind of white space become a plain space.
_SPACE_ENTITIES = _words("nbsp thinsp ensp emsp numsp puncsp hairsp emsp13 emsp14")

_ENGLISH_NAMESPACES = {"file": LINK_FILE, "image": LINK_FILE, "media": LINK_FILE, "category": LINK_CATEGORY}
#: Numbers of the namespaces in a dump's ``<siteinfo>``.
_NAMESPACE_ACTIONS = {-2: LINK_FILE, 6: LINK_FILE, 14: LINK_CATEGORY}

#: The type of ``WikitextTables.arrays`` in signatures of kernels.
TABLES = "Tuple((uint8[::1], int64[::1], int64[::1], int64[::1], uint8[::1], int64[::1], int64[:, ::1], int64[::1], uint8[::1]))"
#: The places of the arrays in it.
NAMES, NAME_OFFSETS, SLOTS, VALUES, LITERALS, LITERAL_OFFSETS, PIECES, PATTERN_OFFSETS, SPECIAL = range(9)

#: Bytes at which the first pass and the second stop: bits of the table ``SPECIAL``.
BRACKET_BIT, MARK_BIT = 1, 2
_BRACKET_BYTES, _MARK_BYTES = b"<{[}]|", b"{[<'&\n_]}|!)"


@dataclass(frozen=True)
class WikitextOptions:
    """Where people differ about what belongs to the text.

    Attributes:
        tables: ``drop``, or ``text``: the cells, one a line.
        math: ``drop``, or ``latex``: formulas as ``$…$``.
        captions: ``drop``, or ``keep``: captions of files as lines of their own. Galleries are dropped in any case.
        code: ``drop``, or ``keep``: blocks of source code.
        layout: ``text``, or ``markdown``: headings begin with ``#``, items of lists with ``-`` or ``1.``.
        drop_sections: Headings of sections to leave out with all below them.
        templates: Further templates, name → patterns by number of arguments (see ``wikitext_templates``); no pattern drops one.
    """

    tables: str = "drop"
    math: str = "drop"
    captions: str = "drop"
    code: str = "drop"
    layout: str = "text"
    drop_sections: tuple[str, ...] = ()
    templates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class WikitextTables:
    """The arrays for one wiki and one set of options."""

    def __init__(self, namespaces: Mapping[int, Iterable[str]], options: WikitextOptions):
        self._values: dict[tuple[int, bytes], int] = {}
        self._literals: dict[bytes, int] = {}
        self._pieces: list[tuple[int, int, int]] = []
        self._pattern_offsets = [0]
        self._add_tags(options)
        self._add_namespaces(namespaces)
        self._add_entities()
        self._add_templates({**TEMPLATES, **options.templates})
        self._add_words()
        for section in options.drop_sections:
            self._add(SECTION, section, 1)
        self.arrays = self._arrays()

    def _add(self, kind: int, name: str, value: int) -> None:
        """Adds a name; only ASCII letters are folded when it is looked up, so others are added as they may be written."""
        forms = [name] if kind == ENTITY else {form.replace("_", " ") for form in (name.lower(), name.capitalize(), name.upper(), name)}
        for form in forms:
            key = form.encode()
            self._values[kind, key if kind == ENTITY else key.lower()] = value

    def _add_tags(self, options: WikitextOptions) -> None:
        actions = dict.fromkeys(_DROPPED_TAGS, TAG_DROP) | dict.fromkeys(_RAW_TAGS, TAG_RAW)
        actions |= dict.fromkeys(_CODE_TAGS, TAG_RAW if options.code == "keep" else TAG_DROP)
        actions |= dict.fromkeys(_MATH_TAGS, TAG_MATH if options.math == "latex" else TAG_DROP)
        # Tags whose element is taken whole have a bit each in the note of those that are never closed.
        for bit, (tag, action) in enumerate(actions.items()):
            self._add(TAG, tag, action | bit << _TAG_ACTION_BITS)
        for tag in _BREAK_TAGS:
            self._add(TAG, tag, TAG_BREAK)
        for tag in _STRIPPED_TAGS:
            self._add(TAG, tag, TAG_STRIP)

    def _add_namespaces(self, namespaces: Mapping[int, Iterable[str]]) -> None:
        for name, action in _ENGLISH_NAMESPACES.items():
            self._add(NAMESPACE, name, action)
        for number, names in namespaces.items():
            for name in names:
                if number in _NAMESPACE_ACTIONS and name:
                    self._add(NAMESPACE, name, _NAMESPACE_ACTIONS[number])

    def _add_entities(self) -> None:
        for name, characters in html.entities.html5.items():
            if name.endswith(";"):
                self._add(ENTITY, name[:-1], self._literal(characters))
        for name in _SPACE_ENTITIES:
            self._add(ENTITY, name, self._literal(" "))

    def _add_templates(self, templates: Mapping[str, Sequence[str]]) -> None:
        for name, patterns in templates.items():
            if not patterns:
                self._values.pop((TEMPLATE, name.lower().encode()), None)
                continue
            first = len(self._pattern_offsets) - 1
            needs_argument = 0
            for pattern in patterns:
                pieces = parse_pattern(pattern)
                needs_argument |= int(any(piece.kind in ARGUMENT_KINDS for piece in pieces))
                self._pieces += [self._packed(piece) for piece in pieces]
                self._pattern_offsets.append(len(self._pieces))
            value = template_value(first, len(patterns), needs_argument, int(tuple(patterns) == CONVERT))
            self._add(TEMPLATE, name, value)
            if name == "formatnum":
                for function in ("formatnum", "lc", "uc", "lcfirst", "ucfirst"):
                    self._add(FUNCTION, function, value)

    def _packed(self, piece: Piece) -> tuple[int, int, int]:
        value = self._literal(piece.value) if isinstance(piece.value, str) else piece.value
        return piece.kind, value, self._literal(piece.more)

    def _add_words(self) -> None:
        for unit, text in UNITS.items():
            self._add(UNIT, unit, self._literal(text))
        for word, text in RANGES.items():
            self._add(RANGE, word, self._literal(text))
        for number, month in enumerate(MONTHS, 1):
            for written in {str(number), f"{number:02d}"}:
                self._add(MONTH, written, self._literal(month))
        for keyword in _FILE_KEYWORDS:
            self._add(KEYWORD, keyword, 1)

    def _literal(self, text: str) -> int:
        return self._literals.setdefault(text.encode(), len(self._literals))

    def _arrays(self) -> tuple[np.ndarray, ...]:
        special = np.zeros(256, np.uint8)
        special[list(_BRACKET_BYTES)] |= BRACKET_BIT
        special[list(_MARK_BYTES)] |= MARK_BIT
        keys = [bytes([kind]) + name for kind, name in self._values]
        slots = np.full(1 << (4 * len(keys)).bit_length(), -1, np.int64)
        for index, key in enumerate(keys):
            slot = _hash(key) & (len(slots) - 1)
            while slots[slot] >= 0:
                slot = (slot + 1) & (len(slots) - 1)
            slots[slot] = index
        return (
            *_packed_bytes(keys),
            slots,
            np.array(list(self._values.values()), np.int64),
            *_packed_bytes(list(self._literals)),
            np.array(self._pieces, np.int64).reshape(-1, 3),
            np.array(self._pattern_offsets, np.int64),
            special,
        )


def _packed_bytes(strings: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.concatenate([[0], np.cumsum([len(string) for string in strings])]).astype(np.int64)
    return np.frombuffer(b"".join(strings), np.uint8).copy(), offsets


def template_value(first: int, count: int, needs_argument: int, convert: int) -> int:
    """A template's value: its first pattern, how many there are, whether one needs an argument, whether it is ``convert``."""
    return first << 8 | count << 2 | needs_argument << 1 | convert


_FNV_OFFSET, _FNV_PRIME, _32_BITS = 2166136261, 16777619, 0xFFFFFFFF


def _hash(key: bytes) -> int:
    """FNV-1a, 32 bits; ``_hash_of`` is the same in a kernel."""
    value = _FNV_OFFSET
    for byte in key:
        value = ((value ^ byte) * _FNV_PRIME) & _32_BITS
    return value


@inner
def folded(byte, kind):
    """The byte as names of a kind are compared: ASCII letters small, an underscore as a space."""
    if kind == ENTITY:
        return np.int64(byte)
    if 65 <= byte <= 90:
        return np.int64(byte) + 32
    if byte == 95:
        return np.int64(32)
    return np.int64(byte)


@inner
def find_name(tables, kind, data, start, end):
    """The value of the name that stands in ``data[start:end]``, or −1."""
    names, offsets, slots, values = tables[NAMES], tables[NAME_OFFSETS], tables[SLOTS], tables[VALUES]
    code = ((_FNV_OFFSET ^ np.int64(kind)) * _FNV_PRIME) & _32_BITS
    for at in range(start, end):
        code = ((code ^ folded(data[at], kind)) * _FNV_PRIME) & _32_BITS
    slot = code & (slots.shape[0] - 1)
    while slots[slot] >= 0:
        index = slots[slot]
        begin = offsets[index]
        if offsets[index + 1] - begin == end - start + 1 and names[begin] == kind:
            equal = True
            for k in range(end - start):
                if folded(data[start + k], kind) != names[begin + 1 + k]:
                    equal = False
                    break
            if equal:
                return values[index]
        slot = (slot + 1) & (slots.shape[0] - 1)
    return np.int64(-1)


@inner
def tag_action(value):
    return value & 7


@inner
def tag_bit(value):
    """The bit of a tag whose element is taken whole."""
    return np.int64(1) << (value >> 3)


@inner
def write_literal(tables, index, out, w):
    """Writes a literal; returns where the output ends."""
    literals, offsets = tables[LITERALS], tables[LITERAL_OFFSETS]
    for at in range(offsets[index], offsets[index + 1]):
        out[w] = literals[at]
        w += 1
    return w
