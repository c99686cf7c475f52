"""Changing a real cluster in Git by the real commands, and what becomes of each kind of commit there."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cluster.gitops.kubelet import MISSING, SICK
from tests.cluster.gitops.site import PATIENCE, Ended, Site
from tests.waiting import until

# Every commit goes through six stages, and failing health checks take their time: minutes where the machine is shared.
pytestmark = pytest.mark.timeout(900)

WEB = "apps/web/deployment.yaml"
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment"}
NOT_HEALTHY, UNFINISHED = 1, 10


def live(site: Site, kind: str, name: str, version: str = "v1") -> Mapping[str, Any]:
    """An object in `apps` as the cluster has it."""
    about = {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "apps"}}
    return site.api.get(about).body


def watch(site: Site, name: str, commit: str, *options: str) -> Ended:
    return site.raibid("gitops", "watch", f"kustomization/{name}", "-n", "flux-system", "--commit", commit, *options)


def verdict(ended: Ended) -> Mapping[str, Any]:
    """The last document of a command with --json."""
    found: dict[str, Any] = Ended(ended.code, ended.out.strip().splitlines()[-1], ended.err).json["result"]
    return found


def landed(site: Site, ended: Ended) -> None:
    """A change that was committed, applied and is healthy."""
    assert ended.code == 0, ended.out + ended.err
    assert f"{site.head[:12]} is healthy" in ended.out


def test_a_scaled_deployment_lands_and_comments_stay(site: Site) -> None:
    before = site.file(WEB)
    ended = site.raibid("gitops", "scale", "deployment/web", "2", "-n", "apps", "--yes", "--reason", "more to do")
    landed(site, ended)
    assert site.file(WEB) == before.replace("replicas: 1", "replicas: 2")
    assert live(site, "Deployment", "web", "apps/v1")["status"]["readyReplicas"] == 2
    message = site.desk.git("log", "-1", "--format=%B", "origin/main")
    assert "Raibid-Object: Deployment/apps/web" in message
    assert "Raibid-Reason: more to do" in message


def test_another_image_is_set_in_its_line_alone(site: Site) -> None:
    image, before = "registry.raibid.internal/web:2", site.file(WEB)
    landed(site, site.raibid("gitops", "image", "deployment/web", image, "-n", "apps", "--yes"))
    assert site.file(WEB) == before.replace("registry.raibid.internal/web:1", image)
    assert live(site, "Deployment", "web", "apps/v1")["spec"]["template"]["spec"]["containers"][0]["image"] == image


def test_a_field_with_a_variable_is_set_in_the_config_map_of_the_variable(site: Site) -> None:
    field = "data.host=web.example.org"
    landed(site, site.raibid("gitops", "set", "cm/web", field, "-n", "apps", "--yes"))
    assert "host: web.${domain}" in site.file("apps/web/settings.yaml")
    assert "domain: example.org  # of this machine" in site.file("clusters/test/vars.yaml")
    assert live(site, "ConfigMap", "web")["data"]["host"] == "web.example.org"


def test_a_secret_is_sealed_again_and_arrives_opened(site: Site) -> None:
    before = site.file("infra/token.enc.yaml")
    ended = site.raibid("gitops", "set", "secret/token", "stringData.token=@-", "-n", "apps", "--yes", stdin="hush")
    landed(site, ended)
    assert site.file("infra/token.enc.yaml") != before
    assert base64.b64decode(live(site, "Secret", "token")["data"]["token"]) == b"hush"
    assert "hush" not in ended.out + ended.err + site.desk.git("log", "-p", "origin/main")


def test_what_is_so_already_is_no_commit(site: Site) -> None:
    before = site.head
    assert site.raibid("gitops", "scale", "deployment/web", "1", "-n", "apps", "--yes").code == 0
    assert site.head == before


def test_a_field_that_the_api_server_does_not_know_is_never_committed(site: Site) -> None:
    before = site.head
    ended = site.raibid("gitops", "set", "deployment/web", "spec.replcas=2", "-n", "apps", "--yes")
    assert ended.code != 0
    assert "spec.replcas" in ended.err
    assert site.head == before


def test_each_kind_of_bad_commit_ends_with_its_own_outcome(site: Site) -> None:
    files = {name: site.file(f"apps/{name}/deployment.yaml") + "\n" for name in ("web", "shop", "till", "cafe", "bank")}
    bad = {
        "web": files["web"].replace("replicas: 1", 'replicas: "two"'),
        "shop": files["shop"].replace("registry.raibid.internal/shop:1", SICK),
        "till": files["till"].replace("registry.raibid.internal/till:1", MISSING),
        "cafe": files["cafe"].replace("replicas: 1", "replicas: 2"),
        "bank": files["bank"].replace("replicas: 1", "replicas: 2"),
    }
    site.suspend("cafe")
    commit = site.push({f"apps/{name}/deployment.yaml": text for name, text in bad.items()})
    with ThreadPoolExecutor(len(bad)) as typing:
        ended = dict(zip(bad, typing.map(lambda name: watch(site, name, commit, "--json"), bad), strict=True))
    assert {name: verdict(one)["outcome"] for name, one in ended.items()} == {
        "web": "failing",
        "shop": "not-healthy",
        "till": "not-healthy",
        "cafe": "suspended",
        "bank": "healthy",
    }
    assert {name: one.code for name, one in ended.items() if one.code != NOT_HEALTHY} == {"bank": 0}
    assert ".spec.replicas: expected numeric" in verdict(ended["web"])["message"]
    assert "ImagePullBackOff" in verdict(ended["till"])["message"]
    assert "HealthCheckFailed" in {happening["reason"] for happening in verdict(ended["shop"])["happenings"]}


def test_what_does_not_build_fails_and_what_depends_on_it_is_not_attempted(site: Site) -> None:
    commit = site.push({"infra/namespace.yaml": "a: [\n"})
    found = verdict(watch(site, "infra", commit, "--json"))
    assert found["outcome"] == "failing"
    assert "BuildFailed" in found["message"]
    held = verdict(watch(site, "web", commit, "--json"))
    assert held["outcome"] == "not-attempted"
    assert "infra" in held["message"]


def test_a_commit_that_cannot_be_fetched_is_told_so_in_the_sources_words(site: Site) -> None:
    commit = site.push({"README.md": "# Fleet\n"}, told=False)
    site.gitea.kill()
    try:
        ended = watch(site, "web", commit, "--json", "--timeout", "5")
    finally:
        site.gitea.start()
    assert (ended.code, verdict(ended)["outcome"]) == (UNFINISHED, "not-fetched")
    assert "failed to checkout" in verdict(ended)["message"]


def test_a_commit_in_whose_place_another_one_came_is_superseded(site: Site) -> None:
    before = site.head
    lost = site.push({"README.md": "# Lost\n"}, told=False)
    site.desk.git("reset", "--quiet", "--hard", before)
    site.desk.git("commit", "--quiet", "--allow-empty", "-m", "Instead")
    site.desk.git("push", "--quiet", "--force", "origin", "HEAD:main")
    site.fetch()
    site.settled(site.head)
    assert verdict(watch(site, "web", lost, "--json"))["outcome"] == "superseded"


def test_a_later_commit_that_contains_it_counts(site: Site) -> None:
    earlier = site.push({"README.md": "# One\n"})
    site.settled(site.push({"README.md": "# Two\n"}))
    assert verdict(watch(site, "web", earlier, "--json"))["outcome"] == "healthy"


def test_a_watch_begins_before_the_commit_and_ends_when_it_is_healthy(site: Site) -> None:
    commit = site.change(WEB, "replicas: 1", "replicas: 2")
    ended = watch(site, "web", commit)
    landed(site, ended)
    until(lambda: site.stages.applied("web", commit), "Flux says the same", PATIENCE)
