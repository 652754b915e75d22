"""Deletes what retention no longer keeps, once a day."""

from curation_airflow.maintenance import build_housekeeping_dag

housekeeping = build_housekeeping_dag()
