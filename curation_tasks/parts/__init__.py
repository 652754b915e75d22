"""Parts: what an operation, a reduction, a source or an export says about itself.

A part names its parameters, the columns it reads and adds, and the reasons for which it rejects, but holds its
implementation only as a dotted path. So a whole pipeline can be planned and checked without importing an engine.
Each room lists its parts in ``catalog.py``; a user's package does the same through the entry point
``curation_tasks.catalog``.
"""

from curation_tasks.parts.datasets import ColumnUse, ExportPart, ReductionPart, check_uses, place_of
from curation_tasks.parts.declaration import Columns, Names, Part, PartKind, load_attribute
from curation_tasks.parts.operations import Judge, OperationPart, operation
from curation_tasks.parts.parameters import FilePath, FunctionPath, Parameters, file_parameters, function_parameters
from curation_tasks.parts.sources import Snapshot, SourcePart, SourceUnit

__all__ = [
    "ColumnUse",
    "Columns",
    "ExportPart",
    "FilePath",
    "FunctionPath",
    "Judge",
    "Names",
    "OperationPart",
    "Parameters",
    "Part",
    "PartKind",
    "ReductionPart",
    "Snapshot",
    "SourcePart",
    "SourceUnit",
    "check_uses",
    "file_parameters",
    "function_parameters",
    "load_attribute",
    "operation",
    "place_of",
]
