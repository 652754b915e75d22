"""Who may do what: rules of Role manifests, applied to each request as the API server does, and what was really asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .store import RefusedError

#: May do everything; the user of the tests themselves.
ADMINISTRATOR = "administrator"
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True, order=True)
class Use:
    """A verb on a resource, as ``pods/log``."""

    group: str
    resource: str
    verb: str


@dataclass
class Access:
    """Rules by service account.

    Attributes:
        rules: Service account → rules of its roles.
        used: Service account → what it asked for and was allowed.
    """

    rules: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    used: dict[str, set[Use]] = field(default_factory=lambda: defaultdict(set))

    @classmethod
    def of_manifests(cls, documents: Iterable[Mapping[str, Any]]) -> Access:
        """Roles and the bindings that give them to service accounts."""
        documents = list(documents)
        roles = {document["metadata"]["name"]: document.get("rules") or [] for document in documents if document["kind"] == "Role"}
        access = cls()
        for binding in (document for document in documents if document["kind"] == "RoleBinding"):
            for subject in binding["subjects"]:
                access.rules.setdefault(subject["name"], []).extend(roles[binding["roleRef"]["name"]])
        return access

    def check(self, user: str, use: Use, name: str | None, namespace: str | None) -> None:
        """Refuses what no rule allows."""
        if user == ADMINISTRATOR:
            return
        if not any(_allows(rule, use, name) for rule in self.rules.get(user, [])):
            raise RefusedError(
                403,
                "Forbidden",
                f'{use.resource} is forbidden: User "system:serviceaccount:{namespace}:{user}" cannot {use.verb} resource'
                f' "{use.resource}" in API group "{use.group}" in the namespace "{namespace}"',
            )
        self.used[user].add(use)

    def allowed(self, user: str) -> set[Use]:
        """All that a service account may do."""
        return {
            Use(group, resource, verb)
            for rule in self.rules.get(user, [])
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }


def verb_of(method: str, named: bool, watched: bool) -> str:
    if method == "GET":
        return "watch" if watched else "get" if named else "list"
    if method == "DELETE":
        return "delete" if named else "deletecollection"
    return _VERBS[method]


def _allows(rule: Mapping[str, Any], use: Use, name: str | None) -> bool:
    return (
        use.group in rule["apiGroups"]
        and use.resource in rule["resources"]
        and use.verb in rule["verbs"]
        and (not rule.get("resourceNames") or name in rule["resourceNames"])
    )
