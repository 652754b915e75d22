"""The HTTP side: resources, watches, logs and commands in containers, each checked against the client's role."""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from . import admission
from .access import ADMINISTRATOR, Access, Use, verb_of
from .controllers import DaskOperator, Deployments
from .faults import Fault
from .kubelet import Kubelet
from .store import KINDS, Key, Object, RefusedError, Store, matches

_SERVER_VERSION = {"major": "1", "minor": "34", "gitVersion": "v1.34.0", "platform": "double/local"}


class KubernetesDouble:
    """A running double; use it as a context manager.

    Args:
        access: Who may do what; clients with another token than the administrator's are held to it.
        environment: What an image would bring: environment of all containers.
        without: Resources that the cluster does not know, as those of an operator that is not installed.

    Attributes:
        kubeconfigs: User → file to name in ``KUBECONFIG``. Service accounts of ``access``, and the administrator.
        requests: ``VERB resource`` of all requests, in order.
        bodies: What was created: (plural, object) as the client sent it.
    """

    def __init__(self, access: Access | None = None, environment: Mapping[str, str] | None = None, without: Sequence[str] = ()):
        self.access = access or Access()
        self.environment, self.without = dict(environment or {}), set(without)
        self.requests: list[str] = []
        self.bodies: list[tuple[str, Object]] = []
        self.kubeconfigs: dict[str, Path] = {}
        self._faults: list[Fault] = []
        self._drops = 0
        self._ready = threading.Event()

    # --- for tests ---------------------------------------------------------------------------------------------------

    def __enter__(self) -> KubernetesDouble:
        self._folder = tempfile.TemporaryDirectory(prefix="kubeconfig-")
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="kubernetes-double", daemon=True)
        self._thread.start()
        if not self._ready.wait(30):
            raise RuntimeError("the double of the Kubernetes API did not start")
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        self._folder.cleanup()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a function on the loop of the server, where all changes happen."""

        async def run() -> Any:
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)

    def objects(self, plural: str, labels: str = "") -> list[Object]:
        return self.call(lambda: json.loads(json.dumps(self.store.list(plural, None, labels))))

    def create(self, plural: str, namespace: str, item: Object) -> Object:
        return self.call(self.store.create, plural, namespace, item)

    def delete(self, plural: str, namespace: str, name: str, grace_seconds: int | None = None) -> None:
        self.call(self.store.delete, Key(plural, namespace, name), grace_seconds)

    def clear(self) -> None:
        """Takes all faults back and deletes everything, without waiting for it to end well."""

        def delete_all() -> None:
            self._faults.clear()
            self._drops = 0
            for plural in ("daskclusters", *KINDS):
                for item in self.store.list(plural):
                    metadata = item["metadata"]
                    with suppress(RefusedError):
                        self.store.delete(Key(plural, metadata["namespace"], metadata["name"]), 0)

        self.call(delete_all)

    def inject(self, labels: str, annotations: Mapping[str, str], times: int = 1) -> None:
        """Lets something go wrong with the next pods that have these labels."""
        self._faults.append(Fault(labels, annotations, times))

    def drop(self, requests: int) -> None:
        """Lets the next requests end without an answer, as while a control plane restarts."""
        self._drops = requests

    # --- server ------------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self.store = Store()
        self.store.before_create += [admission.admit, self._add_faults]
        self.kubelet = Kubelet(self.store, self.environment, self.kubeconfigs)
        self.deployments = Deployments(self.store, self.kubelet)
        self.dask = DaskOperator(self.store, self.kubelet)
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        for user in (ADMINISTRATOR, *self.access.rules):
            self.kubeconfigs[user] = self._write_kubeconfig(user)
        self._ready.set()
        await self._stop.wait()
        await self.dask.close()
        await self.kubelet.close()
        await runner.cleanup()

    def _write_kubeconfig(self, user: str, namespace: str = "default") -> Path:
        path = Path(self._folder.name) / f"{user}.json"
        context = {"cluster": "double", "user": user, "namespace": namespace}
        configuration = {
            "apiVersion": "v1", "kind": "Config", "current-context": "double",
            "clusters": [{"name": "double", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "contexts": [{"name": "double", "context": context}],
            "users": [{"name": user, "user": {"token": user}}],
        }  # fmt: skip
        path.write_text(json.dumps(configuration))
        return path

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._errors])
        add = application.router.add_route
        for path in ("/version", "/version/"):
            add("GET", path, _answer(_SERVER_VERSION))
        for path in ("/api", "/api/"):
            add("GET", path, _answer({"kind": "APIVersions", "versions": ["v1"]}))
        groups = sorted({group for group, _, _ in KINDS.values() if group})
        listed = [{"name": group, "versions": [_group_version(group)], "preferredVersion": _group_version(group)} for group in groups]
        for path in ("/apis", "/apis/"):
            add("GET", path, _answer({"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}))
        for group in ("", *groups):
            base = f"/apis/{group}/v1" if group else "/api/v1"
            add("GET", base, _answer(self._resources(group)))
            base += "/namespaces/{namespace}/{plural}"
            add("*", base, self._collection)
            add("*", base + "/{name}", self._one)
            for part in ("status", "scale"):
                add("*", f"{base}/{{name}}/{{part:{part}}}", self._one)
        pod = "/api/v1/namespaces/{namespace}/{plural:pods}/{name}"
        add("GET", f"{pod}/{{part:log}}", self._log)
        add("*", f"{pod}/{{part:exec}}", self._exec)
        return application

    def _resources(self, group: str) -> Object:
        verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
        return {
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{group}/v1" if group else "v1",
            "resources": [
                {"name": plural, "singularName": kind.lower(), "kind": kind, "namespaced": True, "verbs": verbs}
                for plural, (owner, _, kind) in KINDS.items() if owner == group and plural not in self.without
            ],
        }  # fmt: skip

    @web.middleware
    async def _errors(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self._drops and request.transport is not None:
            self._drops -= 1
            request.transport.abort()
            return web.Response()
        try:
            return await handler(request)
        except RefusedError as error:
            status = {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "reason": error.reason,
                "message": error.message,
                "code": error.code,
            }
            return web.json_response(status, status=error.code)

    def _admit(self, request: web.Request, watched: bool = False) -> Key:
        """Who asks for what; refuses what is unknown or not allowed."""
        match = request.match_info
        plural, namespace, name, part = (match.get(word) for word in ("plural", "namespace", "name", "part"))
        if plural not in KINDS or plural in self.without:
            raise RefusedError(404, "NotFound", "the server could not find the requested resource")
        verb = verb_of(request.method, name is not None, watched)
        verb = "get" if part in ("log", "exec") and request.method == "GET" else verb
        use = Use(KINDS[plural][0], f"{plural}/{part}" if part else plural, verb)
        user = request.headers.get("Authorization", f"Bearer {ADMINISTRATOR}").removeprefix("Bearer ")
        self.requests.append(f"{use.verb} {use.resource}")
        self.access.check(user, use, name, namespace)
        return Key(plural, namespace or "", name or "")

    async def _collection(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        watched = query.get("watch", "").lower() in ("true", "1")
        key = self._admit(request, watched)
        labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
        if request.method == "POST":
            item = await request.json()
            self.bodies.append((key.plural, json.loads(json.dumps(item))))
            return web.json_response(self.store.create(key.plural, key.namespace, item), status=201)
        if request.method == "DELETE":
            for item in self.store.list(key.plural, key.namespace, labels, fields):
                self.store.delete(Key(key.plural, key.namespace, item["metadata"]["name"]))
            return web.json_response({"kind": "Status", "apiVersion": "v1", "status": "Success"})
        if watched:
            return await self._watch(request, key, labels, fields)
        group, version, kind = KINDS[key.plural]
        items = self.store.list(key.plural, key.namespace, labels, fields)
        answer = {"apiVersion": f"{group}/{version}" if group else version, "kind": f"{kind}List", "items": items}
        return web.json_response(answer | {"metadata": {"resourceVersion": str(self.store.version)}})

    def _add_faults(self, plural: str, item: Object) -> None:
        for fault in self._faults:
            if plural == "pods" and fault.times and matches(item, fault.labels):
                fault.times -= 1
                item["metadata"]["annotations"] = dict(item["metadata"].get("annotations") or {}) | fault.annotations

    async def _watch(self, request: web.Request, key: Key, labels: str, fields: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)

        async def send(kind: str, item: Object) -> None:
            await response.write(json.dumps({"type": kind, "object": item}).encode() + b"\n")

        since = request.query.get("resourceVersion") or "0"
        start = int(since)
        if since == "0":
            start = self.store.version
            for item in self.store.list(key.plural, key.namespace, labels, fields):
                await send("ADDED", item)
        with suppress(TimeoutError, ConnectionResetError, asyncio.CancelledError):
            async with asyncio.timeout(float(request.query.get("timeoutSeconds") or 3600)):
                async for kind, item in self.store.watch(key.plural, key.namespace, labels, fields, start):
                    await send(kind, item)
        return response

    async def _one(self, request: web.Request) -> web.StreamResponse:
        key = self._admit(request)
        if request.method == "PATCH":
            return web.json_response(self.store.patch(key, await request.json()))
        if request.method == "PUT":
            return web.json_response(self.store.replace(key, await request.json()))
        if request.method == "DELETE":
            body = json.loads(await request.text() or "{}")
            grace = request.query.get("gracePeriodSeconds", body.get("gracePeriodSeconds"))
            return web.json_response(self.store.delete(key, int(grace) if grace is not None else None))
        return web.json_response(self.store.get(key))

    def _container(self, key: Key, name: str | None) -> Any:
        self.store.get(key)
        pod = self.kubelet.pods.get(key)
        if pod is None or not pod.containers:
            raise RefusedError(400, "BadRequest", f'container "{name}" in pod "{key.name}" is waiting to start')
        container = pod.containers.get(name or next(iter(pod.containers)))
        if container is None:
            raise RefusedError(400, "BadRequest", f"container {name} is not valid for pod {key.name}")
        if container.process is None:
            raise RefusedError(400, "BadRequest", f'container "{container.name}" in pod "{key.name}" is waiting to start')
        return pod, container

    async def _log(self, request: web.Request) -> web.StreamResponse:
        key = self._admit(request)
        query = request.query
        _, container = self._container(key, query.get("container"))
        stamps, follow = (query.get(word, "").lower() == "true" for word in ("timestamps", "follow"))
        seconds = query.get("sinceSeconds")
        since = datetime.now(UTC) - timedelta(seconds=float(seconds)) if seconds else datetime.min.replace(tzinfo=UTC)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        position = max(0, len(container.lines) - int(query["tailLines"])) if "tailLines" in query else 0
        with suppress(ConnectionResetError):
            while True:
                for stamp, line in container.lines[position:]:
                    if stamp >= since:
                        prefix = stamp.strftime("%Y-%m-%dT%H:%M:%S.%f000Z ").encode() if stamps else b""
                        await response.write(prefix + line)
                position = len(container.lines)
                if not follow or container.ended or container.process.returncode is not None:
                    break
                await asyncio.sleep(0.05)
        return response

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        """A command in a container: reading a file is done; of what is typed, only the signal to the side-car is understood."""
        key = self._admit(request)
        pod, container = self._container(key, request.query.get("container"))
        if container.process.returncode is not None or container.ended:
            raise RefusedError(500, "InternalError", f"container {container.name} is not running")
        socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io", "v4.channel.k8s.io"))
        await socket.prepare(request)
        if request.query.get("stdin", "").lower() == "true":
            async for message in socket:
                data = message.data.encode() if isinstance(message.data, str) else message.data
                if message.type in (WSMsgType.BINARY, WSMsgType.TEXT) and b"kill -2" in data:
                    self.kubelet.interrupt(pod, container.name)
                    break
        else:
            command = [pod.rewritten(word) for word in request.query.getall("command")]
            done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
            for channel, text in ((b"\x01", done.stdout), (b"\x02", done.stderr)):
                if text:
                    await socket.send_bytes(channel + text)
        await socket.send_bytes(b"\x03" + json.dumps({"metadata": {}, "status": "Success"}).encode())
        await socket.close()
        return socket


def _answer(body: Any) -> Any:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(body)

    return handler


def _group_version(group: str) -> Object:
    return {"groupVersion": f"{group}/v1", "version": "v1"}
