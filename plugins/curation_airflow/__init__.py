"""Airflow's side of the project: pipelines as DAGs, stages as tasks. Decides nothing about data; runs ``curate stage``."""
