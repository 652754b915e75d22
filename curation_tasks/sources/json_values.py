"""Values of JSON: an object from a line, and a value as a column's type has it."""

from __future__ import annotations

import json
from typing import Any

_INT64 = range(-(2**63), 2**63)


def parsed_object(line: bytes) -> dict[str, Any] | str:
    """The object of a line, or the reason why there is none."""
    try:
        record = json.loads(line.decode())
    except UnicodeDecodeError:
        return "invalid_utf8"
    except (ValueError, RecursionError):
        return "malformed_json"
    return record if isinstance(record, dict) else "not_an_object"


def is_encodable(text: str) -> bool:
    """Whether a text can be UTF-8; one with half a surrogate pair, which JSON may write as an escape, cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def converted_value(value: Any, kind: str) -> Any:
    """The value as a column has it, or None where it is not of the column's type.

    Args:
        value: As ``json.loads`` gives it.
        kind: A column type of ``curation_tasks.schema``; ``id``: a string made of a string or number; ``url``: a string only.
    """
    if value is None:
        return None
    if kind.startswith("list<"):
        if not isinstance(value, list):
            return None
        items = [converted_value(item, kind[5:-1]) for item in value]
        return None if any(item is not None and made is None for item, made in zip(value, items, strict=True)) else items
    if kind == "id":
        return (converted_value(value, "string") or None) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None
    if kind == "url":
        return converted_value(value, "string") if isinstance(value, str) else None
    if kind == "string":
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return text if is_encodable(text) else None
    if kind == "bool":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if kind == "int64":
        return value if isinstance(value, int) and value in _INT64 else None
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
