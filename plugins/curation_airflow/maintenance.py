"""The DAGs that keep a deployment going: discovery of new snapshots, and housekeeping."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from airflow.sdk import DAG

from curation_airflow.dag_factory import DEFAULT_ARGUMENTS, has_catalogue, storage_root
from curation_airflow.stage_operator import stage_operator, stage_runner
from curation_tasks.plan import CommandCall, plan
from curation_tasks.spec import load_pipeline

DISCOVERY_PAGE = """# discovery

Asks the origin of each partitioned pipeline's source which snapshots there are, and writes the pipeline's catalogue. The
schedule of that pipeline follows at the next parse of the DAG files. A task that fails leaves the catalogue as it was.

By hand: `curate snapshots PIPELINE_FILE --refresh`
"""
HOUSEKEEPING_PAGE = """# housekeeping

Deletes stage folders, finished or not, that no published dataset of the last 30 days was made from and that nobody has
changed for as long. The newest published version of each snapshot always stays, with all that it was made from. On
Kubernetes it also deletes Dask clusters whose stage pod is gone.

It is paused at first, since it deletes. To see what it would delete: `curate housekeep --days 30`
"""
#: Days that what nothing published reaches is kept.
RETENTION_DAYS = 30


def build_discovery_dag(folders: Sequence[Path], root: str | None = None) -> DAG:
    """A task for each pipeline whose source publishes snapshots; pipelines that are wrong show that in DAGs of their own."""
    root = root or storage_root()
    with _maintenance_dag("discovery", "Finds new snapshots of all sources.", DISCOVERY_PAGE, "17 */6 * * *") as dag:
        for name, path in _partitioned(folders).items():
            call = CommandCall(name, "discover", ("snapshots", "--refresh", "--root", root), pipeline_file=str(path))
            stage_operator()(task_id=name, call=call, doc_md=f"Refreshes the snapshots of `{name}`.")
    return dag


def build_housekeeping_dag(root: str | None = None) -> DAG:
    """A task that deletes what retention no longer keeps, and where stages are pods one for the clusters that they left behind."""
    root = root or storage_root()
    with _maintenance_dag("housekeeping", "Deletes what retention no longer keeps.", HOUSEKEEPING_PAGE, "43 3 * * *") as dag:
        call = CommandCall("housekeeping", "retention", ("housekeep", "--root", root, "--days", str(RETENTION_DAYS), "--delete"))
        stage_operator()(task_id="retention", call=call, doc_md="Deletes expired stage folders.")
        if stage_runner() == "pod":
            call = CommandCall("housekeeping", "clusters", ("housekeep", "--clusters", "--delete"))
            stage_operator()(task_id="clusters", call=call, doc_md="Deletes Dask clusters whose stage pod is gone.")
    return dag


def _maintenance_dag(name: str, description: str, page: str, schedule: str) -> DAG:
    return DAG(
        name,
        description=description,
        doc_md=page,
        schedule=schedule,
        # One asks servers of others, one deletes: a person decides when that begins.
        is_paused_upon_creation=True,
        catchup=False,
        max_active_runs=1,
        tags=["curation", "maintenance"],
        default_args=DEFAULT_ARGUMENTS | {"owner": "curation"},
    )


def _partitioned(folders: Sequence[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in (path for folder in folders for path in sorted(folder.glob("*.y*ml"))):
        try:
            planned = plan(load_pipeline(path))
        except Exception:  # whatever is wrong with it: its own DAG says so
            continue
        if has_catalogue(planned):
            found.setdefault(planned.spec.name, path)
    return found
