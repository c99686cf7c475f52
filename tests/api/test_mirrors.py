"""Mirrors through the API: GitHub's word, a person's wish, the schedule; what is shown of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from raibid.api.mirror_keeper import MirrorKeeper
from raibid.api.settings import Settings, SettingsError
from raibid.forge import sign
from raibid.ledger import Ledger

from tests.api.conftest import SECRET, Api, served
from tests.mirror.gitea_of_git import GiteaOfGit, Upstream, sh
from tests.waiting import until

NAME = "acme/anvil"


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    with Upstream(tmp_path / "upstream") as upstream:
        upstream.push("anvil", "one")
        yield upstream


@pytest.fixture
def gitea(tmp_path: Path, upstream: Upstream) -> Iterator[GiteaOfGit]:
    with GiteaOfGit(tmp_path / "gitea") as gitea:
        gitea.mirror(NAME, upstream.url("anvil"))
        yield gitea


@pytest.fixture
def with_mirrors(
    make_settings: Callable[..., Settings], tmp_path: Path, gitea: GiteaOfGit, upstream: Upstream
) -> Settings:
    host, port = upstream.host
    (tmp_path / "mirrors.yaml").write_text(
        f"hosts: [{{name: {host}, port: {port}, http: true, private: true}}]\n"
        f"single: [{{source: {upstream.url('anvil')}, target: {NAME}, interval: never}}]\n"
    )
    return make_settings(
        gitea_url=gitea.url,
        forge_credentials_file=gitea.credentials(tmp_path / "credentials"),
        mirrors_file=tmp_path / "mirrors.yaml",
        reconcile_seconds=3600,
    )


@pytest.fixture
def api(with_mirrors: Settings, ledger: Ledger) -> Iterator[Api]:
    with served(with_mirrors, ledger) as running:
        until(lambda: seen(running)["state"] == "verified", "the mirror is verified")
        yield running


def keeper(api: Api) -> MirrorKeeper:
    assert api.parts.mirrors
    return api.parts.mirrors


def seen(api: Api) -> dict[str, Any]:
    """The mirror as the API shows it."""
    shown = api.reader.get("/mirrors").raise_for_status().json()["mirrors"]
    return shown[0] if shown else {"state": "unknown"}


def told(api: Api, upstream: Upstream, *, event: str = "push", secret: bytes = SECRET, **more: Any) -> httpx.Response:
    """A delivery of GitHub's about the source."""
    body = json.dumps({"repository": {"full_name": "up/anvil", "clone_url": upstream.url("anvil")}, **more}).encode()
    headers = {"Content-Type": "application/json", "X-GitHub-Event": event, **sign(body, secret)}
    del headers["X-Gitea-Signature"]
    return api.anonymous.post("/webhook/github-sync", content=body, headers=headers)


@pytest.mark.parametrize("event", ["push", "create", "delete"])
def test_githubs_word_brings_the_push(api: Api, upstream: Upstream, gitea: GiteaOfGit, event: str) -> None:
    sha = upstream.push("anvil", "two")
    answer = told(api, upstream, event=event)
    assert (answer.status_code, answer.json()) == (202, {"mirrors": [NAME]})
    until(lambda: gitea.heads(NAME) == {"main": sha}, "the push is mirrored")
    until(lambda: seen(api)["seconds"] > 0, "the sync is recorded")


def test_a_replay_only_makes_it_look_again(api: Api, upstream: Upstream, gitea: GiteaOfGit) -> None:
    for _ in range(3):
        assert told(api, upstream).status_code == 202
    before = seen(api)["checked"]
    told(api, upstream)
    until(lambda: seen(api)["checked"] > before, "it was looked at")
    assert not [asked for asked in gitea.asked if asked.endswith("mirror-sync")]


def test_a_wrong_signature_is_401_and_nothing_is_noted(api: Api, upstream: Upstream) -> None:
    due = api.ledger.client.zrange(api.ledger.keys.mirrors_due, 0, -1, withscores=True)
    assert told(api, upstream, secret=b"another secret of sixteen").status_code == 401
    assert api.ledger.client.zrange(api.ledger.keys.mirrors_due, 0, -1, withscores=True) == due


@pytest.mark.parametrize("event", ["ping", "issues", ""])
def test_an_event_without_code_is_204(api: Api, upstream: Upstream, event: str) -> None:
    assert told(api, upstream, event=event).status_code == 204


def test_a_repository_without_a_mirror_is_204(api: Api, upstream: Upstream) -> None:
    assert told(api, upstream, repository={"clone_url": "https://github.com/acme/other.git"}).status_code == 204


@pytest.mark.parametrize("repository", [None, [], {}, {"clone_url": 7}, {"clone_url": "ext::sh -c id"}])
def test_a_delivery_of_another_shape_is_400(api: Api, upstream: Upstream, repository: object) -> None:
    assert told(api, upstream, repository=repository).status_code == 400


def test_a_person_may_ask_and_whoever_only_reads_may_not(api: Api, upstream: Upstream, gitea: GiteaOfGit) -> None:
    sha = upstream.push("anvil", "two")
    assert api.reader.post(f"/mirrors/{NAME}/sync").status_code == 403
    assert api.writer.post("/mirrors/acme/nothing/sync").status_code == 404
    assert api.writer.post("/mirrors/ACME/Anvil/sync").json() == {"mirrors": [NAME]}
    until(lambda: gitea.heads(NAME) == {"main": sha}, "the push is mirrored")


def test_a_wish_outlives_the_api(
    with_mirrors: Settings, ledger: Ledger, api: Api, upstream: Upstream, gitea: GiteaOfGit
) -> None:
    before = seen(api)
    gitea.brings = False
    sha = upstream.push("anvil", "two")
    told(api, upstream)
    until(lambda: f"POST /api/v1/repos/{NAME}/mirror-sync" in gitea.asked, "Gitea is waited for")
    api.stop()
    assert ledger.mirrors.all()[NAME].checked == before["checked"], "a look that was ended says nothing"
    gitea.brings = True
    with served(with_mirrors, ledger) as again:
        until(lambda: gitea.heads(NAME) == {"main": sha}, "the push is mirrored")
        until(lambda: seen(again)["checked"] > before["checked"], "it is noted")
        assert (seen(again)["state"], seen(again)["errors"]) == ("verified", 0)


def test_what_somebody_waits_for_is_ended_before_what_nobody_does(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []

    def noting(name: str, close: Callable[[], None]) -> Callable[[], None]:
        def end() -> None:
            close()
            ended.append(name)

        return end

    for name, part in (("batcher", api.parts.batcher), ("mirrors", keeper(api))):
        monkeypatch.setattr(part, "close", noting(name, part.close))
    api.stop()
    assert ended == ["batcher", "mirrors"]


def test_a_burst_of_deliveries_is_looked_at_by_one_at_a_time(api: Api, upstream: Upstream, gitea: GiteaOfGit) -> None:
    gitea.brings = False
    upstream.push("anvil", "two")
    for _ in range(5):
        told(api, upstream)
    until(lambda: f"POST /api/v1/repos/{NAME}/mirror-sync" in gitea.asked, "the first look is under way")
    rounds = [keeper(api).round() for _ in range(5)]
    assert (sum(rounds), len(keeper(api)._held)) == (0, 1)
    gitea.brings = True


def test_a_tag_that_is_announced_is_brought(api: Api, upstream: Upstream, gitea: GiteaOfGit) -> None:
    at = upstream.server.root
    sh("tag", "v1", "main", at=at / "anvil.git")
    sha = sh("rev-parse", "v1", at=at / "anvil.git")
    assert told(api, upstream, ref="refs/tags/v1", after=sha).status_code == 202
    until(lambda: gitea.refs(NAME).get("refs/tags/v1") == sha, "the tag is mirrored")


def test_a_push_that_is_told_before_git_shows_it_is_looked_for_again(
    api: Api, upstream: Upstream, gitea: GiteaOfGit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raibid.api.mirror_keeper._ANNOUNCED_RETRY", 0.0)
    bare = upstream.server.root / "anvil.git"
    sha = upstream.push("anvil", "two")
    sh("update-ref", "refs/heads/main", gitea.heads(NAME)["main"], at=bare)
    before = seen(api)["checked"]
    told(api, upstream, ref="refs/heads/main", after=sha)
    until(lambda: seen(api)["checked"] > before, "a look that does not find it")
    assert seen(api)["state"] == "verified"
    sh("update-ref", "refs/heads/main", sha, at=bare)
    until(lambda: gitea.heads(NAME) == {"main": sha}, "the push is mirrored without another word")
    until(lambda: api.ledger.client.hlen(api.ledger.keys.mirrors_wishes) == 0, "nothing is waited for any more")


def test_what_was_announced_and_never_shows_is_given_up(
    api: Api, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raibid.api.mirror_keeper._ANNOUNCED_RETRY", 0.0)
    monkeypatch.setattr("raibid.api.mirror_keeper._ANNOUNCED_SECONDS", 0.5)
    told(api, upstream, ref="refs/heads/main", after="a" * 40)
    until(lambda: api.ledger.client.hlen(api.ledger.keys.mirrors_wishes) == 0, "nothing is waited for any more")
    assert seen(api)["state"] == "verified"


@pytest.mark.parametrize("more", [{"ref": "v1", "after": "x"}, {"ref": "refs/heads/a\nb", "after": "a" * 40}])
def test_a_delivery_that_names_no_ref_and_commit_announces_none(api: Api, upstream: Upstream, more: Any) -> None:
    before = seen(api)["checked"]
    assert told(api, upstream, **more).status_code == 202
    until(lambda: seen(api)["checked"] > before, "it is looked at")
    until(lambda: api.ledger.client.hlen(api.ledger.keys.mirrors_wishes) == 0, "nothing is waited for")


def test_a_file_that_broke_is_not_hidden_by_what_was_verified_before(
    with_mirrors: Settings, ledger: Ledger, api: Api
) -> None:
    api.stop()
    with_mirrors.mirrors_file.write_text("single: 7\n")  # type: ignore[union-attr]
    ledger.mirrors.ask(NAME, 0.0)
    with served(with_mirrors, ledger) as again:
        until(lambda: seen(again)["state"] == "unreachable", "its trouble is noted")
        assert seen(again)["reason"].startswith("mirrors are not surveyed: ")
        assert "raibid_mirror_survey_seconds 0.0" in again.anonymous.get("/metrics").text


def test_credentials_that_went_missing_are_in_the_record(api: Api, with_mirrors: Settings, upstream: Upstream) -> None:
    with_mirrors.forge_credentials_file.write_text("")  # type: ignore[union-attr]
    told(api, upstream)
    until(lambda: seen(api)["state"] == "unreachable", "its trouble is noted")
    assert seen(api)["errors"] == 1


def test_a_mirror_that_this_process_does_not_know_is_surveyed_for_and_not_dropped(api: Api, upstream: Upstream) -> None:
    keeper(api).survey.last = replace(keeper(api).survey.last, mirrors={})  # type: ignore[type-var]
    told(api, upstream)
    until(lambda: NAME in keeper(api).survey.last.mirrors, "it is surveyed again")  # type: ignore[union-attr]
    due = api.ledger.client.zscore(api.ledger.keys.mirrors_due, NAME)
    assert due < (time.time() + 60) * 1000  # type: ignore[operator]


def test_what_is_wrong_with_a_mirror_is_shown_and_counted(api: Api, upstream: Upstream, gitea: GiteaOfGit) -> None:
    gitea.trouble = lambda request: 500 * (".git/info/refs" in request)
    told(api, upstream)
    until(lambda: seen(api)["state"] == "unreachable", "its trouble is noted")
    assert "error: 500" in seen(api)["reason"]
    metrics = api.anonymous.get("/metrics").text
    assert 'mirror_sync_errors_total{state="unreachable"} ' in metrics
    assert 'raibid_mirrors{state="unreachable"} 1.0' in metrics
    assert f'raibid_mirror_behind_since_seconds{{mirror="{NAME}"}} ' in metrics
    assert f'raibid_mirror_verified_seconds{{mirror="{NAME}"}} 1' in metrics
    assert "raibid_mirror_survey_seconds 1" in metrics


def test_a_mirror_whose_repository_is_gone_leaves_the_list(api: Api, gitea: GiteaOfGit) -> None:
    gitea.sources.clear()
    keeper(api).survey.hasten()
    until(lambda: seen(api)["state"] == "unknown", "it is forgotten")


def test_a_survey_that_fails_forgets_nobody(api: Api, gitea: GiteaOfGit) -> None:
    gitea.trouble = lambda request: 500 * ("search" in request)
    keeper(api).survey.hasten()
    until(lambda: bool(keeper(api).survey.trouble), "it failed")
    assert seen(api)["state"] == "verified"


def test_mirrors_are_not_built_unless_the_enrolment_file_names_them(api: Api) -> None:
    assert seen(api)["ci"] is False


def test_a_file_of_mirrors_without_a_gitea_stops_the_start(make_settings: Callable[..., Settings]) -> None:
    with pytest.raises((SettingsError, ValueError), match="RAIBID_GITEA_URL"):
        make_settings(mirrors_file=Path("mirrors.yaml"))


def test_without_a_file_there_are_no_mirrors(settings: Settings, ledger: Ledger) -> None:
    with served(settings, ledger) as api:
        assert api.reader.get("/mirrors").json() == {"mirrors": []}
        assert api.writer.post(f"/mirrors/{NAME}/sync").status_code == 404
