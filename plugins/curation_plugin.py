"""Registers with Airflow what its components must find by name: the timetable of snapshots.

Airflow runs this file once for each of its plugin managers, so no class is defined here but the plugin itself.
"""

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from curation_airflow.timetables import SnapshotTimetable


class CurationPlugin(AirflowPlugin):
    name = "curation"
    timetables: ClassVar[list[Any]] = [SnapshotTimetable]
