"""The command `curate`: one module a command."""

from curation_tasks.cli.application import main

__all__ = ["main"]
