"""Loads the DAG files as Airflow's DAG processor does and prints what the tests want to know, as one line of JSON."""

from __future__ import annotations

import json
import os
import sys

ENGINES = ("pyarrow", "numpy", "numba", "dask", "distributed", "pandas", "polars", "cudf", "ftfy", "presidio_analyzer", "spacy")
HEAVY = (*ENGINES, "kubernetes", "curation_tasks.runner", "curation_tasks.kernels", "curation_tasks.clusters")


def facts() -> dict:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    before = set(sys.modules)
    bag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    heavy = sorted(name for name in HEAVY if name in sys.modules)
    return {
        "import_errors": dict(bag.import_errors),
        "heavy": heavy,
        "modules": len(set(sys.modules) - before),
        "dags": {
            name: dag_facts(DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag)), dag) for name, dag in bag.dags.items()
        },
    }


def dag_facts(stored, dag) -> dict:
    """What the scheduler knows of a DAG, and the notes that only its file has."""
    return {
        "tags": sorted(stored.tags),
        "doc": dag.doc_md,
        "catchup": stored.catchup,
        "paused": dag.is_paused_upon_creation,
        "max_active_runs": stored.max_active_runs,
        "schedule": type(stored.timetable).__name__,
        "params": {name: {"value": param.value, "schema": param.schema, "description": param.description} for name, param in _params(dag)},
        "tasks": {
            task.task_id: {
                "owner": task.owner,
                "type": task.task_type,
                "retries": task.retries,
                "backoff": task.retry_exponential_backoff,
                "upstream": sorted(task.upstream_task_ids),
                "links": [link.name for link in task.operator_extra_links],
                "outlets": [asset.uri for asset in task.outlets],
                "doc": dag.get_task(task.task_id).doc_md,
            }
            for task in stored.tasks
        },
    }


def _params(dag) -> list:
    return [(name, dag.params.get_param(name)) for name in dag.params]


if __name__ == "__main__":
    print(json.dumps(facts()))
