"""Parameters of splitting and joining. Imports no engine."""

from __future__ import annotations

from pydantic import Field

from curation_tasks.parts import Parameters


class SplitParameters(Parameters):
    """Where texts are cut."""

    separator: str = Field("\n\n", min_length=1, description="What stands between segments; it belongs to none.")


class JoinParameters(Parameters):
    """How segments become documents again."""

    separator: str = Field("\n\n", description="What is put between segments.")
    max_length: int | None = Field(
        None, ge=1, description="Characters of a joined text; more make several documents. A longer segment stays as it is."
    )
