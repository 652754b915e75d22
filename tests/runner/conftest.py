"""A pipeline's stages run one after the other, all on one cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

from curation_tasks.clusters import ClusterSettings, open_cluster
from curation_tasks.plan import override, plan
from curation_tasks.runner import StageRequest, Surroundings, run_stage
from curation_tasks.spec import load_pipeline


@pytest.fixture(scope="module")
def cluster() -> Iterator[Client]:
    """One cluster of two threads for all tests of a file, whatever they ask for."""
    with open_cluster(ClusterSettings(workers=2)) as client:
        yield client


@pytest.fixture
def run(tmp_path: Path, cluster: Client) -> Callable[..., dict[str, dict[str, Any]]]:
    """``run(path, root, order=…, until=STAGE, **of the request to resolve)``: the results of the stages."""

    def runner(path: Path, root: str = "data", order: Callable = list, until: str | None = None, **more: Any) -> dict[str, dict[str, Any]]:
        root = root if "://" in root else str(tmp_path / root)
        around = Surroundings(order=order, client=lambda settings: nullcontext(cluster))
        outcomes = {"resolve": run_stage(StageRequest("resolve", pipeline_file=str(path), root=root, **more), around)}
        for stage in plan(override(load_pipeline(path), more.get("overrides", {}))).stages:
            inputs = {need: outcomes[need]["manifest"] for need in stage.needs}
            outcomes[stage.id] = run_stage(StageRequest(stage.id, resolved=outcomes["resolve"]["manifest"], inputs=inputs), around)
            if stage.id == until:
                break
        return outcomes

    return runner
