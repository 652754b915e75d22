"""What the API of Kubernetes answers, and what it means for a task."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowFailException

from curation_airflow.kubernetes_api import refusal


@pytest.mark.parametrize(
    ("message", "says", "again"),
    [
        ('pods "a" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2', "raise the quota", True),
        ('pods "a" is forbidden: violates PodSecurity "restricted:v1.34": runAsNonRoot != true', "securityContext", False),
        ('pods is forbidden: User "b" cannot list resource "pods" in API group ""', "k8s/base/rbac.yaml", False),
    ],
)
def test_a_refusal_names_what_refused_and_only_a_quota_is_asked_again(message, says, again):
    error = refusal(message)
    assert message in str(error)
    assert says in str(error).partition("what to do:")[2]
    assert isinstance(error, AirflowFailException) is not again
