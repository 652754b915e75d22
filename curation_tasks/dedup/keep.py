"""Which of several duplicates stays: the parameter that all reductions of this room share. Imports no engine."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from curation_tasks.parts import ColumnUse, Parameters

Policy = Literal["first", "longest", "score", "source"]
#: Column that a policy looks at when the pipeline names none.
_DEFAULT_COLUMNS = {"longest": "text", "source": "source"}
#: Types of a score: what has an order of its own.
_NUMBERS = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "date32", "timestamp[us]", "float", "double",
)  # fmt: skip


class Keep(Parameters):
    """Which of several duplicates stays. In a file ``keep: longest``, or ``keep: {policy: score, column: quality}``.

    Documents of earlier snapshots and of named other datasets stay before all of this one, whatever the policy. What the
    policy leaves equal is decided by the hash of ``doc_id``, so that no order of files, shards or workers matters
    (``first`` is that order, so it leaves nothing equal).
    """

    policy: Policy = Field(
        "first",
        description="first: the first in the order of shards and rows; longest: most characters; score: best number in a column; "
        "source: by a list of values, the first one best.",
    )
    column: str | None = Field(None, description="Column looked at; default `text` for longest, `source` for source.")
    prefer: Literal["max", "min"] = Field("max", description="For score: the larger or the smaller number. A null comes last.")
    priority: tuple[str, ...] = Field((), description="For source: values, the best first; values not listed come last, equal.")

    @model_validator(mode="before")
    @classmethod
    def _policy_alone(cls, value: Any) -> Any:
        return {"policy": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.policy == "score" and self.column is None:
            raise ValueError("`score` needs the column that holds it: {policy: score, column: NAME}")
        if self.policy == "source" and not self.priority:
            raise ValueError("`source` needs a list of values, the best first: {policy: source, priority: [NAME, …]}")
        if self.policy != "source" and self.priority:
            raise ValueError(f"`priority` belongs to the policy `source`, not to `{self.policy}`")
        if self.policy != "score" and self.prefer != "max":
            raise ValueError(f"`prefer` belongs to the policy `score`, not to `{self.policy}`")
        if self.policy == "first" and self.column is not None:
            raise ValueError("`first` looks at no column")
        if len(set(self.priority)) < len(self.priority):
            raise ValueError("a value stands twice in `priority`")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        return {"anyOf": [{"enum": ["first", "longest"]}, handler(core_schema)]}

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that the policy looks at."""
        column = self.column or _DEFAULT_COLUMNS.get(self.policy)
        return (column,) if column else ()

    def uses(self) -> list[ColumnUse]:
        """What these columns must hold."""
        types = _NUMBERS if self.policy == "score" else ("string",)
        return [ColumnUse("keep", name, types, "name another column in `keep`, or take another policy") for name in self.reads]
