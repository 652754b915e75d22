"""The objects of a cluster: versions, watches, selectors, patches, and the deletion of what an object owns."""

from __future__ import annotations

import asyncio
import copy
import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
#: Plural name of a resource → its group, version and kind.
KINDS: Mapping[str, tuple[str, str, str]] = {
    "pods": ("", "v1", "Pod"),
    "services": ("", "v1", "Service"),
    "events": ("", "v1", "Event"),
    "configmaps": ("", "v1", "ConfigMap"),
    "secrets": ("", "v1", "Secret"),
    "deployments": ("apps", "v1", "Deployment"),
    "daskclusters": ("kubernetes.dask.org", "v1", "DaskCluster"),
    "daskworkergroups": ("kubernetes.dask.org", "v1", "DaskWorkerGroup"),
    "daskautoscalers": ("kubernetes.dask.org", "v1", "DaskAutoscaler"),
    "daskjobs": ("kubernetes.dask.org", "v1", "DaskJob"),
}


@dataclass(frozen=True, order=True)
class Key:
    """Where an object is."""

    plural: str
    namespace: str
    name: str


class RefusedError(Exception):
    """A request that the API answers with an error.

    Args:
        code: HTTP status.
        reason: Kubernetes' word for it.
        message: For people.
    """

    def __init__(self, code: int, reason: str, message: str):
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """All objects. Everything happens on the event loop of the server, so that there are no locks.

    Attributes:
        before_create: Called with the plural name and each new object, which they may change; admission controllers.
        on_change: Called with the type of each change, its key and the object; controllers hang there.
        on_delete: Asked to delete a pod, which takes time; other objects go at once.
    """

    def __init__(self) -> None:
        self._objects: dict[Key, Object] = {}
        self._changes: list[tuple[int, str, Key, Object]] = []
        self._version = 0
        self._news = asyncio.Condition()
        self.before_create: list[Callable[[str, Object], None]] = []
        self.on_change: list[Callable[[str, Key, Object], None]] = []
        self.on_delete: Callable[[Key, Object, int | None], None] | None = None

    # --- reading -----------------------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        return self._version

    def get(self, key: Key) -> Object:
        if key not in self._objects:
            raise RefusedError(404, "NotFound", f'{key.plural} "{key.name}" not found')
        return self._objects[key]

    def find(self, key: Key) -> Object | None:
        return self._objects.get(key)

    def list(self, plural: str, namespace: str | None = None, labels: str = "", fields: str = "") -> list[Object]:
        return [
            item
            for key, item in sorted(self._objects.items())
            if key.plural == plural and namespace in (None, key.namespace) and matches(item, labels, fields)
        ]

    async def watch(self, plural: str, namespace: str | None, labels: str, fields: str, since: int) -> AsyncIterator[tuple[str, Object]]:
        """Changes after a version, then those to come."""
        position = 0
        while True:
            while position < len(self._changes):
                version, kind, key, item = self._changes[position]
                position += 1
                if version > since and key.plural == plural and namespace in (None, key.namespace) and matches(item, labels, fields):
                    yield kind, item
            async with self._news:
                if position >= len(self._changes):
                    await self._news.wait()

    # --- writing -----------------------------------------------------------------------------------------------------

    def create(self, plural: str, namespace: str, item: Object) -> Object:
        group, version, kind = KINDS[plural]
        metadata = item.setdefault("metadata", {})
        if "name" not in metadata:
            metadata["name"] = metadata.get("generateName", f"{plural}-") + uuid.uuid4().hex[:5]
        key = Key(plural, namespace, metadata["name"])
        if key in self._objects:
            raise RefusedError(409, "AlreadyExists", f'{plural} "{key.name}" already exists')
        metadata |= {"namespace": namespace, "uid": str(uuid.uuid4()), "creationTimestamp": now(), "generation": 1}
        item |= {"apiVersion": f"{group}/{version}" if group else version, "kind": kind}
        for admit in self.before_create:
            admit(plural, item)
        self._objects[key] = item
        self.changed(key, "ADDED")
        return item

    def replace(self, key: Key, item: Object) -> Object:
        old = self.get(key)
        wanted = item.get("metadata", {}).get("resourceVersion")
        if wanted and wanted != old["metadata"]["resourceVersion"]:
            raise RefusedError(409, "Conflict", f'{key.plural} "{key.name}" was changed meanwhile')
        item["metadata"] |= {name: old["metadata"][name] for name in ("uid", "creationTimestamp")}
        self._objects[key] = item
        self.changed(key, "MODIFIED")
        return item

    def patch(self, key: Key, patch: Any) -> Object:
        item = self.get(key)
        if isinstance(patch, list):
            _json_patch(item, patch)
        else:
            _merge(item, patch)
        self.changed(key, "MODIFIED")
        return item

    def changed(self, key: Key, kind: str = "MODIFIED") -> None:
        """Gives an object that was changed in place a new version and tells those who watch."""
        item = self._objects[key]
        self._version += 1
        item["metadata"]["resourceVersion"] = str(self._version)
        self._changes.append((self._version, kind, key, copy.deepcopy(item)))
        for tell in self.on_change:
            tell(kind, key, item)
        asyncio.get_running_loop().create_task(self._wake())

    def delete(self, key: Key, grace_seconds: int | None = None) -> Object:
        """Deletes an object and what it owns; a pod is first asked to end."""
        item = self.get(key)
        if key.plural == "pods" and self.on_delete is not None:
            if "deletionTimestamp" not in item["metadata"]:
                item["metadata"]["deletionTimestamp"] = now()
                self.changed(key)
                self.on_delete(key, item, grace_seconds)
        else:
            self.remove(key)
        return item

    def remove(self, key: Key) -> None:
        """Takes an object out, then all that name it as their owner, as the garbage collector does."""
        item = self._objects.get(key)
        if item is None:
            return
        self.changed(key, "DELETED")
        del self._objects[key]
        uid = item["metadata"]["uid"]
        for other, owned in list(self._objects.items()):
            # What two objects own may be gone with the first.
            if other in self._objects and any(owner.get("uid") == uid for owner in owned["metadata"].get("ownerReferences") or []):
                self.delete(other)

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()


# --- selectors and patches -----------------------------------------------------------------------------------------------


def matches(item: Object, labels: str = "", fields: str = "") -> bool:
    """Whether an object is selected by a label selector and a field selector."""
    own = item["metadata"].get("labels") or {}
    return all(_label(own, term) for term in _terms(labels)) and all(_field(item, term) for term in _terms(fields))


def _terms(selector: str) -> list[str]:
    terms, depth, current = [], 0, ""
    for character in selector or "":
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            terms.append(current)
            current = ""
        else:
            current += character
    return [term.strip() for term in [*terms, current] if term.strip()]


def _label(labels: Mapping[str, str], term: str) -> bool:
    for word, expected in ((" notin ", False), (" in ", True)):
        if word in term:
            name, values = term.split(word, 1)
            return (labels.get(name.strip()) in [value.strip() for value in values.strip("() ").split(",")]) is expected
    if "!=" in term:
        name, value = term.split("!=", 1)
        return labels.get(name.strip()) != value.strip()
    if "=" in term:
        name, value = term.replace("==", "=").split("=", 1)
        return labels.get(name.strip()) == value.strip()
    return term[1:] not in labels if term.startswith("!") else term in labels


def _field(item: Object, term: str) -> bool:
    different = "!=" in term
    path, value = term.split("!=" if different else "=", 1)
    found: Any = item
    for step in path.strip().split("."):
        found = (found or {}).get(step)
    return ((found or "") == value.strip().lstrip("=")) is not different


def _merge(target: Object, patch: Mapping[str, Any]) -> None:
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, Mapping):
            if not isinstance(target.get(name), dict):
                target[name] = {}
            _merge(target[name], value)
        else:
            target[name] = json.loads(json.dumps(value))


def _json_patch(target: Object, operations: list[Object]) -> None:
    for operation in operations:
        *parents, last = [step.replace("~1", "/").replace("~0", "~") for step in operation["path"].strip("/").split("/")]
        place: Any = target
        for step in parents:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        if operation["op"] == "remove":
            place.pop(last, None)
        elif isinstance(place, list):
            place.append(operation["value"]) if last == "-" else place.__setitem__(int(last), operation["value"])
        else:
            place[last] = operation["value"]
