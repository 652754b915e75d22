"""``StageCall`` is the command line of a stage, the same on a laptop and in a pod; ``CommandCall`` that of what is no stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from curation_tasks.spec import ALL, RESOLVE, Resources


@dataclass(frozen=True)
class StageCall:
    """One stage as a command.

    Attributes:
        pipeline: Name of the pipeline.
        snapshot: The partition.
        stage: Id of the stage, or ``resolve``.
        inputs: Stage → URI of its manifest (or a template that an orchestrator fills in); ``resolve`` is among them,
            except for resolve itself.
        resources: What the stage asks for.
        pipeline_file: For resolve: the pipeline file; None where the pipeline is handed over as text.
        root: For resolve: the storage root.
        limit: For resolve: at most so many records of each source.
        overrides: For resolve: parameters set for this run, ``stage.parameter`` → YAML value.
    """

    pipeline: str
    snapshot: str
    stage: str
    inputs: Mapping[str, str]
    resources: Resources
    pipeline_file: str | None = None
    root: str | None = None
    limit: int | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)

    def argv(self) -> list[str]:
        """``curate stage …``: what a laptop, an Airflow task and a pod run."""
        argv = ["curate", "stage", self.stage]
        if self.stage == RESOLVE:
            argv += ["--pipeline", self.pipeline_file] if self.pipeline_file else []
            argv += ["--snapshot", self.snapshot, "--root", str(self.root)]
            argv += ["--limit", str(self.limit)] if self.limit is not None else []
            argv += [item for name, value in sorted(self.overrides.items()) for item in ("--set", f"{name}={value}")]
            return argv
        argv += ["--resolved", self.inputs[RESOLVE]]
        for name, uri in self.inputs.items():
            if name != RESOLVE:
                argv += ["--input", f"{name}={uri}"]
        if self.resources.workers is not None:
            argv += ["--workers", str(self.resources.workers)]
        if self.resources.memory is not None:
            argv += ["--memory", self.resources.memory]
        return argv


@dataclass(frozen=True)
class CommandCall:
    """A command beside the stages, for what keeps a deployment going: discovery, housekeeping.

    Attributes:
        pipeline: Whose, or what it is for; part of names and labels.
        stage: What it does, in a word.
        arguments: Behind ``curate``.
        pipeline_file: A pipeline that the command reads; comes behind the arguments.
        resources: What it asks for.
        snapshot: As for a stage; a command concerns all.
        inputs: None: it reads no stage.
    """

    pipeline: str
    stage: str
    arguments: tuple[str, ...]
    pipeline_file: str | None = None
    resources: Resources = field(default_factory=Resources)
    snapshot: str = ALL
    inputs: Mapping[str, str] = field(default_factory=dict)

    def argv(self) -> list[str]:
        return ["curate", *self.arguments, *(["--pipeline", self.pipeline_file] if self.pipeline_file else [])]
