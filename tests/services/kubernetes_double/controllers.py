"""Controllers: deployments keep a pod each, and a small stand-in for the Dask operator makes clusters of them.

The stand-in builds deployments and services with the operator's own functions, so that what it makes has the names,
labels and environment of the real one.
"""

from __future__ import annotations

import asyncio
import copy
import uuid
from contextlib import suppress
from typing import Any

from .kubelet import Kubelet
from .store import Key, Object, RefusedError, Store

_SCALE_SECONDS = 0.5


class Deployments:
    """Keeps one pod of each deployment alive, within a quota.

    Attributes:
        max_pods: How many pods deployments may have together; None: no quota.
    """

    def __init__(self, store: Store, kubelet: Kubelet):
        self.store, self.kubelet = store, kubelet
        self.max_pods: int | None = None
        store.on_change.append(self._on_change)

    def _on_change(self, kind: str, key: Key, item: Object) -> None:
        if key.plural == "deployments" and kind == "ADDED":
            self._soon(key)
        if key.plural == "pods" and kind == "DELETED":
            for owner in item["metadata"].get("ownerReferences") or []:
                if owner["kind"] == "Deployment":
                    self._soon(Key("deployments", key.namespace, owner["name"]))

    def _soon(self, key: Key) -> None:
        asyncio.get_running_loop().call_later(0.05, self._ensure, key)

    def _ensure(self, key: Key) -> None:
        item = self.store.find(key)
        if item is None:
            return
        owned = [pod for pod in self.store.list("pods", key.namespace) if _owned_by(pod, item)]
        if owned:
            return
        if self.max_pods is not None and sum(_is_owned(pod) for pod in self.store.list("pods")) >= self.max_pods:
            message = f'pods "{key.name}" is forbidden: exceeded quota: pods, used: pods={self.max_pods}, limited: pods={self.max_pods}'
            self._refused(key, item, message)
            return
        template = copy.deepcopy(item["spec"]["template"])
        metadata = {name: template.get("metadata", {}).get(name) or {} for name in ("labels", "annotations")}
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": key.name, "uid": item["metadata"]["uid"], "controller": True}
        metadata |= {"name": f"{key.name}-{uuid.uuid4().hex[:5]}", "ownerReferences": [owner]}
        try:
            self.store.create("pods", key.namespace, {"metadata": metadata, "spec": template["spec"]})
        except RefusedError as error:
            self._refused(key, item, error.message)

    def _refused(self, key: Key, item: Object, message: str) -> None:
        item["status"] = {"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]}
        self.store.changed(key)
        asyncio.get_running_loop().call_later(0.5, self._ensure, key)


class DaskOperator:
    """Acts on Dask clusters, worker groups and autoscalers.

    Attributes:
        ignores: How many of the next clusters it does not act on, as the real one does when it loses a race.
        leaves_pending: How many of the next clusters keep the phase `Pending`, as the real one leaves it when its handler of
            the cluster ends behind that of the service.
    """

    def __init__(self, store: Store, kubelet: Kubelet):
        from dask_kubernetes.operator.controller import controller

        self.store, self.kubelet, self.builders = store, kubelet, controller
        self.ignores = self.leaves_pending = 0
        self._tasks: set[asyncio.Task[None]] = set()
        store.on_change.append(self._on_change)

    def _on_change(self, kind: str, key: Key, item: Object) -> None:
        if kind != "ADDED":
            return
        if key.plural == "daskclusters":
            if self.ignores:
                self.ignores -= 1
                return
            self._start(self._create(key))
        elif key.plural == "daskworkergroups":
            self._start(self._scale(key))
        elif key.plural == "daskautoscalers":
            self._start(self._adapt(key))

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()

    async def _create(self, key: Key) -> None:
        await asyncio.sleep(0.1)
        item = self.store.get(key)
        item["status"] = {"phase": "Created"}
        self.store.changed(key)
        notes, labels = (dict(item["metadata"].get(name) or {}) for name in ("annotations", "labels"))
        scheduler, worker = item["spec"]["scheduler"], item["spec"]["worker"]
        extra = scheduler.get("metadata") or {}
        notes, labels = notes | extra.get("annotations", {}), labels | extra.get("labels", {})
        deployment = self.builders.build_scheduler_deployment_spec(key.name, copy.deepcopy(scheduler["spec"]), notes, labels)
        service = self.builders.build_scheduler_service_spec(key.name, copy.deepcopy(scheduler["service"]), notes, labels)
        group = self.builders.build_default_worker_group_spec(key.name, copy.deepcopy(worker), notes, labels)
        for plural, made in (("deployments", deployment), ("services", service), ("daskworkergroups", group)):
            made["metadata"]["ownerReferences"] = [_owner(item)]
            self.store.create(plural, key.namespace, copy.deepcopy(made))
        item["status"]["phase"] = "Pending"
        self.store.changed(key)
        await self._expose(key, service["metadata"]["name"])

    async def _expose(self, key: Key, name: str) -> None:
        """Gives the service the address of its pod and keeps it right, in place of names and of a proxy."""
        service = Key("services", key.namespace, name)
        while (found := self.store.find(service)) is not None:
            selector = ",".join(f"{label}={value}" for label, value in found["spec"]["selector"].items())
            running = [pod for pod in self.store.list("pods", key.namespace, selector) if pod["status"].get("podIP")]
            address = running[-1]["status"]["podIP"] if running else None
            ingress = (found.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}])[0].get("ip")
            if address and ingress != address:
                found["spec"] |= {"type": "LoadBalancer", "clusterIP": address}
                found["status"] = {"loadBalancer": {"ingress": [{"ip": address}]}}
                self.store.changed(service)
                if self.leaves_pending:
                    self.leaves_pending -= 1
                elif (cluster := self.store.find(key)) is not None:
                    cluster["status"]["phase"] = "Running"
                    self.store.changed(key)
            await asyncio.sleep(0.1)

    async def _scale(self, key: Key) -> None:
        """Makes as many worker deployments as the group asks for; retires those that are too many."""
        while (group := self.store.find(key)) is not None:
            cluster = self.store.find(Key("daskclusters", key.namespace, group["spec"]["cluster"]))
            address = self._scheduler(key.namespace, group["spec"]["cluster"])
            if cluster is not None and address is not None:
                have = self.store.list("deployments", key.namespace, f"dask.org/workergroup-name={key.name}")
                missing = group["spec"]["worker"]["replicas"] - len(have)
                for _ in range(missing):
                    self._add_worker(key, group, cluster, address)
                if missing < 0:
                    await self._retire(key, address, -missing, have)
            await asyncio.sleep(_SCALE_SECONDS)

    def _add_worker(self, key: Key, group: Object, cluster: Object, address: str) -> None:
        worker = group["spec"]["worker"]
        extra = worker.get("metadata") or {}
        made = self.builders.build_worker_deployment_spec(
            key.name, key.namespace, group["spec"]["cluster"], uuid.uuid4().hex[:10], copy.deepcopy(worker["spec"]),
            dict(group["metadata"].get("annotations") or {}) | extra.get("annotations", {}),
            dict(group["metadata"].get("labels") or {}) | extra.get("labels", {}),
        )  # fmt: skip
        for container in made["spec"]["template"]["spec"]["containers"]:
            for entry in container["env"]:
                if entry["name"] == "DASK_SCHEDULER_ADDRESS":
                    entry["value"] = f"tcp://{address}:8786"
        made["metadata"]["ownerReferences"] = [_owner(group), _owner(cluster)]
        self.store.create("deployments", key.namespace, made)

    async def _retire(self, key: Key, address: str, count: int, have: list[Object]) -> None:
        from distributed.core import rpc

        names = [item["metadata"]["name"] for item in have[-count:]]
        with suppress(Exception):
            async with rpc(f"tcp://{address}:8786") as scheduler:
                names = list(await scheduler.workers_to_close(n=count, attribute="name"))
                await scheduler.retire_workers(names=names)
        for name in names:
            with suppress(RefusedError):
                self.store.delete(Key("deployments", key.namespace, name))

    async def _adapt(self, key: Key) -> None:
        from distributed.core import rpc

        while (item := self.store.find(key)) is not None:
            spec = item["spec"]
            group = self.store.find(Key("daskworkergroups", key.namespace, f"{spec['cluster']}-default"))
            address = self._scheduler(key.namespace, spec["cluster"])
            if group is not None and address is not None:
                with suppress(Exception):
                    async with rpc(f"tcp://{address}:8786") as scheduler:
                        wanted = await scheduler.adaptive_target()
                    wanted = min(spec["maximum"], max(spec["minimum"], wanted))
                    if wanted != group["spec"]["worker"]["replicas"]:
                        group["spec"]["worker"]["replicas"] = wanted
                        self.store.changed(Key("daskworkergroups", key.namespace, group["metadata"]["name"]))
            await asyncio.sleep(_SCALE_SECONDS)

    def _scheduler(self, namespace: str, cluster: str) -> str | None:
        found = self.store.find(Key("services", namespace, f"{cluster}-scheduler"))
        ingress = ((found or {}).get("status") or {}).get("loadBalancer", {}).get("ingress") or []
        return ingress[0]["ip"] if ingress else None


def _owner(item: Object) -> Object:
    metadata = item["metadata"]
    return {"apiVersion": item["apiVersion"], "kind": item["kind"], "name": metadata["name"], "uid": metadata["uid"], "controller": True}


def _is_owned(pod: Object) -> bool:
    return any(owner["kind"] == "Deployment" for owner in pod["metadata"].get("ownerReferences") or [])


def _owned_by(pod: Object, item: Object) -> bool:
    return any(owner["uid"] == item["metadata"]["uid"] for owner in pod["metadata"].get("ownerReferences") or [])
