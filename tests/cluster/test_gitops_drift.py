"""What somebody changes by hand on a real cluster: told by `verify`, undone by Flux once it is asked to look."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.gitops.site import PATIENCE, Ended, Site
from tests.waiting import until

pytestmark = pytest.mark.timeout(900)


def result(ended: Ended) -> dict[str, Any]:
    """The last document of a command with --json."""
    found: dict[str, Any] = Ended(ended.code, ended.out.strip().splitlines()[-1], ended.err).json["result"]
    return found


def by_hand(site: Site, *arguments: str) -> None:
    site.plane.kubectl("-n", "apps", *arguments)


def verified(site: Site, about: str) -> dict[str, Any]:
    return result(site.raibid("gitops", "verify", about, "-n", "apps", "--json"))


def drifts(found: dict[str, Any]) -> list[str]:
    return [note for note in found["notes"] if note.startswith("drift: ")]


def looked_again(site: Site, about: str) -> Ended:
    """The same commit followed once more, its applier asked to look."""
    return site.raibid("gitops", "watch", about, "-n", "apps", "--again", "--json")


def settings(site: Site) -> Any:
    about = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "apps"}}
    return site.api.get(about).body.get("data")


def test_what_is_as_git_says_is_no_drift(site: Site) -> None:
    found = verified(site, "deployment/web")
    assert (found["outcome"], drifts(found)) == ("healthy", [])


def test_a_field_that_was_changed_by_hand_is_told_and_healed(site: Site) -> None:
    by_hand(site, "patch", "configmap", "web", "--type=merge", "-p", '{"data":{"patience":"99"}}')
    (told,) = drifts(verified(site, "cm/web"))
    assert "data.patience" in told
    assert looked_again(site, "cm/web").code == 0
    until(lambda: settings(site)["patience"] == "30", "Git's value is back", PATIENCE)
    assert drifts(verified(site, "cm/web")) == []


def test_a_workload_that_was_scaled_by_hand_is_told_and_healed(site: Site) -> None:
    by_hand(site, "scale", "deployment/web", "--replicas=3")
    (told,) = drifts(verified(site, "deployment/web"))
    assert "spec.replicas" in told
    assert looked_again(site, "deployment/web").code == 0
    until(lambda: drifts(verified(site, "deployment/web")) == [], "nothing has drifted", PATIENCE)
    about = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "apps"}}
    assert site.api.get(about).body["spec"]["replicas"] == 1


def test_an_object_that_was_deleted_by_hand_is_missed_and_made_again(site: Site) -> None:
    by_hand(site, "delete", "configmap", "web")
    assert verified(site, "cm/web")["outcome"] != "healthy"
    assert looked_again(site, "cm/web").code == 0
    until(lambda: settings(site), "it is there again", PATIENCE)


def test_what_nobody_applies_from_git_cannot_drift(site: Site) -> None:
    by_hand(site, "create", "configmap", "mine", "--from-literal=a=b")
    ended = site.raibid("gitops", "verify", "cm/mine", "-n", "apps")
    by_hand(site, "delete", "configmap", "mine")
    assert ended.code != 0
    assert "Traceback" not in ended.err
