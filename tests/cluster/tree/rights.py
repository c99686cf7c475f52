"""What an account may do, as the API server itself tells it."""

from __future__ import annotations

from tests.cluster.tree.api import Api

_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"


def rights(who: Api, namespace: str) -> set[tuple[str, str, str]]:
    """(verb, group, resource) that whoever asks may do there, without what everybody may: ask about themselves."""
    answer = who.post(
        _REVIEW,
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        },
    )
    assert answer.accepted, answer.said
    assert not answer.body["status"]["incomplete"]
    return {
        (verb, group, resource)
        for rule in answer.body["status"]["resourceRules"]
        for verb in rule["verbs"]
        for group in rule.get("apiGroups", [])
        for resource in rule.get("resources", [])
        if not resource.startswith("selfsubject")
    }
