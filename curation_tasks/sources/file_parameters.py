"""Parameters that name files. Imports no engine."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from curation_tasks.parts import Parameters

Patterns = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value, json_schema_input_type=str | tuple[str, ...]),
]


class FileParameters(Parameters):
    """Files to read."""

    files: Patterns = Field(
        min_length=1,
        description="Paths or URIs (file, s3, http), with *, ? and ** where the store can list. A folder stands for all files below it; "
        "{snapshot} for the snapshot.",
    )
    base: str | None = Field(
        None,
        description="Folder to which file names are relative where they make identities. Default: the common folder of `files`. "
        "Set it where data may move and the patterns have no folder in common.",
    )
