"""One Airflow DAG for each pipeline file.

The files are those of ``dags/pipelines`` beside this file, or of the folders that ``CURATE_PIPELINES`` names (separated
as in ``PATH``). How a pipeline becomes a DAG is written in ``plugins/curation_airflow/dag_factory.py``.
"""

from pathlib import Path

from curation_airflow.dag_factory import build_dags, pipeline_folders

globals().update(build_dags(pipeline_folders(Path(__file__).parent / "pipelines")))
