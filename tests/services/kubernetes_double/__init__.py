"""A double of the Kubernetes API whose pods are processes of this machine, for tests of what talks to a cluster.

It keeps objects with versions and watches, runs the containers of pods, serves their logs and commands in them, restarts
what deployments own, deletes what owners leave, and holds each client to the rules of its role. A small stand-in acts for
the Dask operator. What it does not have: a network of its own (each pod has an address below 127.0.0.0/8), mount
namespaces (paths of mounts are rewritten in arguments and environment), images (all containers see this machine's
programs), limits of resources, and names of services (each service is given an address, as by a load balancer).
"""

from .access import ADMINISTRATOR, Access, Use
from .faults import Fault
from .server import KubernetesDouble
from .store import Key

__all__ = ["ADMINISTRATOR", "Access", "Fault", "Key", "KubernetesDouble", "Use"]
