"""The stage that publishes: no units, but gates, and an entry that consumers read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curation_tasks.manifest import Manifest, read_manifest
from curation_tasks.runner import publish
from curation_tasks.runner.stage import Stage
from curation_tasks.spec import RESOLVE

if TYPE_CHECKING:
    from distributed import Client


class PublishStage(Stage):
    """Makes datasets visible to consumers."""

    ends_run = True

    def digests(self) -> dict[str, str]:
        return super().digests() | {RESOLVE: self.resolved.digest}

    def is_current(self) -> bool:
        """A publication may have been superseded since."""
        return publish.is_newest(read_manifest(self.uri))

    def results(self, client: Client) -> list[dict[str, Any]]:
        return []

    def made(self) -> Manifest:
        content, entry = publish.publish(self.uri, self.resolved, self.parents, self.spec["options"], republish=self.request.republish)
        content |= {"pipeline": self.pipeline, "snapshot": self.snapshot, "stage": self.spec["id"]}
        lineage = {"key": self.key, "fingerprint": self.fingerprint, "parents": self.parent_names()}
        return Manifest(self.uri, content, lineage, {"published": entry})
