"""Settings of the Dask operator of this deployment, loaded by kopf beside the operator itself."""

from __future__ import annotations

from typing import Any

import kopf


@kopf.on.startup()
def serve_what_is_there(settings: kopf.OperatorSettings, **_: Any) -> None:
    """Looks for no new namespaces and resource definitions.

    The operator may list neither, and kopf would ask nine times before it gives up: for the first minute it would act on
    no cluster.
    """
    settings.scanning.disabled = True
