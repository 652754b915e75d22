"""Runs the containers of pods as processes and keeps the pods' status."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import re
import signal
import tempfile
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import faults
from .store import Key, Object, RefusedError, Store, now

_MESSAGE_BYTES, _MESSAGE_LINES = 2048, 80
#: Tests do not wait for half a minute.
_MAX_GRACE_SECONDS = 5
_RESTART_SECONDS = 0.5


@dataclass
class Container:
    """A container of a pod: its process and what it printed."""

    name: str
    spec: Object
    process: asyncio.subprocess.Process | None = None
    lines: list[tuple[datetime, bytes]] = field(default_factory=list)
    ended: bool = False
    restarts: int = 0


@dataclass
class Pod:
    """A pod on the node.

    Attributes:
        folders: Path of a mount → the folder that stands for it.
    """

    key: Key
    address: str
    folder: Path
    folders: dict[str, Path] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def rewritten(self, text: str) -> str:
        """Text in which the folders of the mounts stand instead of their paths."""
        for path in sorted(self.folders, key=len, reverse=True):
            text = re.sub(rf"(?<![\w./-]){re.escape(path)}(?=[/\s;:,]|$)", str(self.folders[path]), text)
        return text


class Kubelet:
    """The one node.

    Args:
        store: The objects.
        environment: Of all containers, below what their pods say: what an image would bring.
        kubeconfigs: Service account → file that a container finds as ``KUBECONFIG``.
    """

    def __init__(self, store: Store, environment: Mapping[str, str], kubeconfigs: Mapping[str, Path]):
        self.store, self.environment, self.kubeconfigs = store, dict(environment), kubeconfigs
        self.pods: dict[Key, Pod] = {}
        self._addresses = (f"127.{a}.{b}.{c}" for a, b, c in itertools.product(range(1, 255), range(255), range(1, 255)))
        self._folder = tempfile.TemporaryDirectory(prefix="kubelet-", ignore_cleanup_errors=True)
        store.on_change.append(self._on_change)
        store.on_delete = self._on_delete

    async def close(self) -> None:
        for pod in list(self.pods.values()):
            for task in pod.tasks:
                task.cancel()
            for container in pod.containers.values():
                _signal(container, signal.SIGKILL)
                if container.process is not None:
                    await container.process.wait()
        self._folder.cleanup()

    # --- life of a pod -----------------------------------------------------------------------------------------------

    def _on_change(self, kind: str, key: Key, item: Object) -> None:
        if key.plural == "pods" and kind == "ADDED":
            item.setdefault("status", {"phase": "Pending"})
            pod = Pod(key, next(self._addresses), Path(self._folder.name) / item["metadata"]["uid"])
            self.pods[key] = pod
            pod.tasks.append(asyncio.get_running_loop().create_task(self._run(pod)))

    def _on_delete(self, key: Key, item: Object, grace_seconds: int | None) -> None:
        pod = self.pods.get(key)
        asyncio.get_running_loop().create_task(self._end(key, pod, grace_seconds))

    async def _end(self, key: Key, pod: Pod | None, grace_seconds: int | None) -> None:
        if pod is not None:
            grace = 30 if grace_seconds is None else grace_seconds
            await self._stop(pod, min(grace, _MAX_GRACE_SECONDS))
            self.pods.pop(key, None)
            for task in pod.tasks:
                task.cancel()
        self.store.remove(key)

    async def _stop(self, pod: Pod, grace_seconds: float) -> None:
        for container in pod.containers.values():
            _signal(container, signal.SIGTERM if grace_seconds else signal.SIGKILL)
        ends = [container.process.wait() for container in pod.containers.values() if container.process is not None]
        if ends:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.gather(*ends), grace_seconds or None)
        for container in pod.containers.values():
            _signal(container, signal.SIGKILL)

    async def _run(self, pod: Pod) -> None:
        item = self.store.get(pod.key)
        notes = item["metadata"].get("annotations") or {}
        status = item["status"]
        await asyncio.sleep(0.05)
        if message := notes.get(faults.UNSCHEDULABLE):
            status["conditions"] = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]
            self._changed(pod)
            self.event(item, "Warning", "FailedScheduling", message)
            return
        status |= {"podIP": pod.address, "hostIP": "127.0.0.1", "startTime": now()}
        status["conditions"] = [{"type": "PodScheduled", "status": "True"}]
        pod.containers = {spec["name"]: Container(spec["name"], spec) for spec in item["spec"]["containers"]}
        try:
            pod.folder.mkdir(parents=True)
            self._mount(pod, item)
            environments = {name: self._environment(pod, item, container.spec) for name, container in pod.containers.items()}
        except RefusedError as error:
            self._wait(pod, "CreateContainerConfigError", error.message)
            return
        if message := notes.get(faults.IMAGE_PULL):
            self.event(item, "Warning", "Failed", f"Failed to pull image: {message}")
            self._wait(pod, "ErrImagePull", message)
            return
        status["phase"] = "Running"
        for name, container in pod.containers.items():
            pod.tasks.append(asyncio.create_task(self._run_container(pod, container, environments[name])))
        pod.tasks.append(asyncio.create_task(self._break(pod, notes)))

    async def _run_container(self, pod: Pod, container: Container, environment: dict[str, str]) -> None:
        argv = [_expanded(word, environment) for word in (container.spec.get("command") or []) + (container.spec.get("args") or [])]
        while True:
            started = now()
            try:
                container.process = await asyncio.create_subprocess_exec(
                    *[pod.rewritten(word) for word in argv], cwd=pod.folder, env=environment, start_new_session=True,
                    stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, limit=2**22,
                )  # fmt: skip
            except OSError as error:
                self._set(
                    pod, container, {"terminated": {"exitCode": 128, "reason": "StartError", "message": str(error), "finishedAt": now()}}
                )
                code = 128
            else:
                reading = asyncio.create_task(_read(container))
                self._set(pod, container, {"running": {"startedAt": started}})
                pod.tasks.append(asyncio.create_task(self._probe(pod, container)))
                code = await container.process.wait()
                with suppress(TimeoutError):
                    await asyncio.wait_for(reading, 1)
                self._set(pod, container, {"terminated": self._terminated(container, 128 - code if code < 0 else code, started)})
            if self.store.find(pod.key) is None or "deletionTimestamp" in self.store.get(pod.key)["metadata"]:
                return
            if self.store.get(pod.key)["spec"].get("restartPolicy", "Always") == "Never":
                container.ended = True
                self._finish(pod)
                return
            container.restarts += 1
            await asyncio.sleep(_RESTART_SECONDS * container.restarts)

    async def _probe(self, pod: Pod, container: Container) -> None:
        """Readiness by HTTP; without a probe a running container is ready."""
        probe = (container.spec.get("readinessProbe") or {}).get("httpGet")
        ports = {port.get("name"): port["containerPort"] for port in container.spec.get("ports") or []}
        while container.process is not None and container.process.returncode is None:
            ready = probe is None or await asyncio.to_thread(
                _answers, f"http://{pod.address}:{ports.get(probe['port'], probe['port'])}{probe.get('path', '/')}"
            )
            if ready and (item := self.store.find(pod.key)):
                for status in item["status"].get("containerStatuses", []):
                    if status["name"] == container.name:
                        status["ready"] = True
                if all(status["ready"] for status in item["status"]["containerStatuses"]):
                    for kind in ("ContainersReady", "Ready"):
                        _condition(item, kind, "True")
                self._changed(pod)
                return
            await asyncio.sleep(0.2)

    async def _break(self, pod: Pod, notes: Mapping[str, str]) -> None:
        """Whatever was injected to happen to the running pod."""
        if seconds := notes.get(faults.OUT_OF_MEMORY):
            await asyncio.sleep(float(seconds))
            _signal(next(iter(pod.containers.values())), signal.SIGKILL)
        elif seconds := notes.get(faults.EVICTED):
            await asyncio.sleep(float(seconds))
            item = self.store.get(pod.key)
            item["status"] |= {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
            for container in pod.containers.values():
                container.ended = True
                _signal(container, signal.SIGKILL)
            self._changed(pod)
            self.event(item, "Warning", "Evicted", item["status"]["message"])
        elif seconds := notes.get(faults.NODE_LOST):
            await asyncio.sleep(float(seconds))
            self.store.delete(pod.key, 0)

    def interrupt(self, pod: Pod, container: str) -> None:
        """Ends a container well, as SIGINT does to the side-car that holds an XCom."""
        found = pod.containers[container]
        found.ended = True
        _signal(found, signal.SIGKILL)
        self._set(pod, found, {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": now()}})
        self._finish(pod)

    # --- status ------------------------------------------------------------------------------------------------------

    def event(self, item: Object, kind: str, reason: str, message: str) -> None:
        """Says something about an object, as `kubectl describe` shows it."""
        metadata = item["metadata"]
        about = {"kind": item["kind"]} | {name: metadata[name] for name in ("name", "namespace", "uid")}
        times = {"count": 1, "firstTimestamp": now(), "lastTimestamp": now()}
        said = {"involvedObject": about, "type": kind, "reason": reason, "message": message} | times
        self.store.create("events", metadata["namespace"], {"metadata": {"generateName": f"{metadata['name']}."}} | said)

    def _changed(self, pod: Pod) -> None:
        if self.store.find(pod.key) is not None:
            self.store.changed(pod.key)

    def _wait(self, pod: Pod, reason: str, message: str) -> None:
        for container in pod.containers.values():
            self._set(pod, container, {"waiting": {"reason": reason, "message": message}})

    def _set(self, pod: Pod, container: Container, state: Object) -> None:
        item = self.store.find(pod.key)
        if item is None:
            return
        statuses = item["status"].setdefault("containerStatuses", [])
        entry = {
            "name": container.name, "image": container.spec.get("image", ""), "imageID": "", "ready": False, "started": "running" in state,
            "restartCount": container.restarts, "state": state, "lastState": {},
        }  # fmt: skip
        old = next((status for status in statuses if status["name"] == container.name), None)
        if old is not None and "terminated" in old["state"] and item["spec"].get("restartPolicy", "Always") == "Never":
            return
        statuses[:] = [status for status in statuses if status["name"] != container.name] + [entry]
        self._changed(pod)

    def _terminated(self, container: Container, code: int, started: str) -> Object:
        state = {"exitCode": code, "reason": "Completed" if code == 0 else "Error", "startedAt": started, "finishedAt": now()}
        notes = next(pod for pod in self.pods.values() if container in pod.containers.values())
        annotations = (self.store.find(notes.key) or {"metadata": {}})["metadata"].get("annotations") or {}
        if code == 137 and faults.OUT_OF_MEMORY in annotations:
            state["reason"] = "OOMKilled"
        if code and container.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            text = b"".join(line for _, line in container.lines[-_MESSAGE_LINES:])[-_MESSAGE_BYTES:]
            state["message"] = text.decode("utf-8", "replace")
        return state

    def _finish(self, pod: Pod) -> None:
        item = self.store.find(pod.key)
        if item is None or item["status"]["phase"] in ("Succeeded", "Failed"):
            return
        if all(container.ended for container in pod.containers.values()):
            codes = [status["state"]["terminated"]["exitCode"] for status in item["status"]["containerStatuses"]]
            item["status"]["phase"] = "Failed" if any(codes) else "Succeeded"
            for kind in ("ContainersReady", "Ready"):
                _condition(item, kind, "False")
            self._changed(pod)

    # --- what a container sees ---------------------------------------------------------------------------------------

    def _mount(self, pod: Pod, item: Object) -> None:
        volumes = {volume["name"]: volume for volume in item["spec"].get("volumes") or []}
        for spec in item["spec"]["containers"]:
            for mount in spec.get("volumeMounts") or []:
                folder = pod.folder / mount["name"]
                folder.mkdir(exist_ok=True)
                volume = volumes[mount["name"]]
                for kind, plural, name in (("configMap", "configmaps", "name"), ("secret", "secrets", "secretName")):
                    if kind in volume:
                        for file, text in self._data(plural, pod.key.namespace, volume[kind], name).items():
                            (folder / file).write_text(text)
                # The processes share this machine's /tmp, so there is no need to put another in its place.
                if mount["mountPath"] != "/tmp":
                    pod.folders[mount["mountPath"]] = folder

    def _environment(self, pod: Pod, item: Object, spec: Object) -> dict[str, str]:
        environment = self.environment | {"HOSTNAME": pod.key.name}
        account = item["spec"].get("serviceAccountName", "default")
        if account in self.kubeconfigs:
            environment["KUBECONFIG"] = str(self.kubeconfigs[account])
        for source in spec.get("envFrom") or []:
            for kind, plural in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
                if kind in source:
                    environment |= self._data(plural, pod.key.namespace, source[kind], "name")
        for entry in spec.get("env") or []:
            source = entry.get("valueFrom") or {}
            if "fieldRef" in source:
                value: Any = item
                for step in source["fieldRef"]["fieldPath"].split("."):
                    value = (value or {}).get(step)
                environment[entry["name"]] = str(value)
            elif "secretKeyRef" in source:
                reference = source["secretKeyRef"]
                environment[entry["name"]] = self._data("secrets", pod.key.namespace, reference, "name")[reference["key"]]
            else:
                environment[entry["name"]] = pod.rewritten(_expanded(entry.get("value") or "", environment))
        return environment

    def _data(self, plural: str, namespace: str, reference: Object, name: str) -> dict[str, str]:
        found = self.store.find(Key(plural, namespace, reference[name]))
        if found is None:
            if reference.get("optional"):
                return {}
            raise RefusedError(404, "NotFound", f'{plural.removesuffix("s")} "{reference[name]}" not found')
        if plural == "secrets":
            return {key: base64.b64decode(value).decode() for key, value in (found.get("data") or {}).items()} | (
                found.get("stringData") or {}
            )
        return dict(found.get("data") or {})


async def _read(container: Container) -> None:
    assert container.process is not None
    assert container.process.stdout is not None
    while line := await container.process.stdout.readline():
        container.lines.append((datetime.now(UTC), line))


def _signal(container: Container, number: signal.Signals) -> None:
    if container.process is not None and container.process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(container.process.pid, number)


def _expanded(text: str, environment: Mapping[str, str]) -> str:
    """``$(NAME)`` as Kubernetes expands it: what is not known stays."""
    return re.sub(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)", lambda match: environment.get(match[1], match[0]), text)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.status < 400
    except OSError:
        return False


def _condition(item: Object, kind: str, value: str) -> None:
    conditions = item["status"].setdefault("conditions", [])
    conditions[:] = [condition for condition in conditions if condition["type"] != kind] + [{"type": kind, "status": value}]
