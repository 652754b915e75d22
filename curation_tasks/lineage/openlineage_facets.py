"""The project's own OpenLineage facets. Imported only when events are sent: it needs the client."""

from __future__ import annotations

from typing import Any

import attr
from openlineage.client.generated.base import RunFacet

_DEFINITIONS = "https://pypi.org/project/curation-tasks/#/$defs"


@attr.define
class CurationStageRunFacet(RunFacet):
    """Which work a run does: equal keys, equal work."""

    pipeline: str
    snapshot: str
    key: str

    @staticmethod
    def _get_schema() -> str:
        return f"{_DEFINITIONS}/CurationStageRunFacet"


@attr.define
class CurationFunnelRunFacet(RunFacet):
    """How many documents came in, how many left, and why the others did not."""

    documentsIn: int | None  # noqa: N815  (OpenLineage writes its names so)
    documents: int | None
    rejected: int | None
    textBytes: int | None  # noqa: N815
    reasons: list[dict[str, Any]]
    manifest: str
    digest: str
    reused: bool

    @staticmethod
    def _get_schema() -> str:
        return f"{_DEFINITIONS}/CurationFunnelRunFacet"
