"""What can go wrong with a pod, injected by annotations that an admission controller would add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "double.kubernetes/"
#: Message of the scheduler; the pod stays pending.
UNSCHEDULABLE = f"{PREFIX}unschedulable"
#: Message of the container runtime; the pod waits for its image.
IMAGE_PULL = f"{PREFIX}image-pull"
#: Seconds after its start at which the pod is evicted.
EVICTED = f"{PREFIX}evicted-after"
#: Seconds after its start at which the first container is killed for want of memory.
OUT_OF_MEMORY = f"{PREFIX}out-of-memory-after"
#: Seconds after its start at which the pod is gone with its node.
NODE_LOST = f"{PREFIX}node-lost-after"


@dataclass
class Fault:
    """An annotation for the next pods that have certain labels.

    Attributes:
        labels: Label selector.
        annotations: What they are given.
        times: How many pods.
    """

    labels: str
    annotations: Mapping[str, str]
    times: int = 1
