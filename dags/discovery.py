"""Finds new snapshots of the sources of all partitioned pipelines, several times a day."""

from pathlib import Path

from curation_airflow.dag_factory import pipeline_folders
from curation_airflow.maintenance import build_discovery_dag

discovery = build_discovery_dag(pipeline_folders(Path(__file__).parent / "pipelines"))
