"""What `curate verify` says of one thing that is not as a manifest says."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from curation_tasks.manifest import Manifest

ERROR = "error"
WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing that is not as a manifest says.

    Attributes:
        severity: ``error``, or ``warning`` where no value differs or nothing can be said.
        stage: Whose manifest says otherwise.
        where: URI of the file.
        what: One sentence.
        expected: As recorded.
        found: As it is.
    """

    severity: str
    stage: str
    where: str
    what: str
    expected: str = ""
    found: str = ""

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


def broken(manifest: Manifest, where: str, what: str, expected: str = "", found: str = "") -> Finding:
    """An error: something is not as the manifest says."""
    return Finding(ERROR, manifest.stage, where, what, expected, found)
