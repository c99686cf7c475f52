"""The command as its user has it: with an organisation of 200 repositories, killed, interrupted, resumed."""

from __future__ import annotations

import json
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from raibid.mirror.config import MARK

from tests.forge.github_fake import FakeGithub
from tests.mirror.command import Command
from tests.mirror.gitea_fake import FakeGitea

REPOSITORIES = 200
MIGRATE = "POST /api/v1/repos/migrate"


@pytest.fixture
def gitea() -> Iterator[FakeGitea]:
    with FakeGitea() as gitea:
        yield gitea


@pytest.fixture
def github(gitea: FakeGitea) -> Iterator[FakeGithub]:
    with FakeGithub() as github:
        for number in range(REPOSITORIES):
            repository = github.repository(f"acme/tool-{number:03}")
            repository.commit({"README.md": "it"})
            gitea.sources.add(repository.shown()["clone_url"])
        yield github


@pytest.fixture
def command(gitea: FakeGitea, github: FakeGithub, tmp_path: Path) -> Command:
    line = github.credentials(tmp_path / "credentials").read_text().strip()
    command = Command(tmp_path, gitea.url, github.url, gitea.credentials(tmp_path / "credentials", line))
    command.write(organisation(github))
    return command


def organisation(github: FakeGithub, more: str = "") -> str:
    host = f"{{name: 127.0.0.1, port: {github.port}, http: true, private: true}}"
    return f"hosts: [{host}]\norg:\n  - {{github: acme, target: acme{more}}}\n"


def test_an_organisation_of_200_is_planned_with_few_calls_and_killed_half_way_is_resumed_without_a_duplicate(
    command: Command, gitea: FakeGitea, github: FakeGithub
) -> None:
    plan = command.plan()
    assert Counter(action["kind"] for action in plan["actions"]) == {"owner": 1, "create": REPOSITORIES}
    # At 100 ms a call, ten times what GitHub's and Gitea's lists take, this is one second of API time.
    assert len(github.asked) + len(gitea.asked) <= 10
    assert not gitea.writes()
    assert not github.writes()

    half = threading.Event()
    gitea.before = lambda asked: half.set() if gitea.asked.count(MIGRATE) >= REPOSITORIES // 2 else None
    process = command.start("apply", "--json")
    assert half.wait(120)
    process.kill()
    out, _ = process.communicate(timeout=60)
    made = len(gitea.repositories)
    assert REPOSITORIES // 2 <= made < REPOSITORIES
    first, *told = [json.loads(one) for one in out.splitlines()]
    assert (first["state"], first["actions"]) == ("plan", plan["actions"])
    assert {one["of"] for one in told} == {REPOSITORIES + 1}

    code, out, err = command.run("apply")
    assert (code, err) == (0, ""), out
    sources = Counter(one["original_url"] for one in gitea.repositories.values())
    assert (len(sources), set(sources.values())) == (REPOSITORIES, {1})
    assert all(one["topics"] == [MARK] for one in gitea.repositories.values())
    assert not gitea.removed
    assert gitea.asked.count(MIGRATE) <= REPOSITORIES + 1  # the one under way at the kill may be asked again

    gitea.forget()
    code, out, _ = command.run("plan", "--exit-code")
    assert (code, out) == (0, f"no changes, {REPOSITORIES} as they should be\n")
    assert not gitea.writes()
    assert not github.writes()


def test_ctrl_c_lets_the_call_under_way_end_and_says_how_to_go_on(command: Command, gitea: FakeGitea) -> None:
    came, go = threading.Event(), threading.Event()

    def hold(asked: str) -> None:
        if asked == MIGRATE and gitea.asked.count(MIGRATE) == 3:
            came.set()
            go.wait(60)

    gitea.before = hold
    process = command.start("apply")
    assert came.wait(60)
    process.send_signal(signal.SIGINT)
    assert process.stderr
    assert "ends after this call" in process.stderr.readline()
    go.set()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert "`raibid mirror apply` goes on from here" in err
    assert "not tried: interrupted" in out
    assert len(gitea.repositories) == 3
    assert all(one["topics"] == [MARK] for one in gitea.repositories.values())


def test_an_organisation_that_cannot_be_listed_is_told_and_nothing_of_it_is_archived(
    command: Command, gitea: FakeGitea, github: FakeGithub
) -> None:
    mine = {"topics": [MARK], "mirror_interval": "8h0m0s"}
    gitea.make("acme/tool-000", source=f"{github.url}/acme/tool-000.git", **mine)
    github.trouble = lambda asked: 500 if "/repos" in asked else 0
    code, out, _ = command.run("apply")
    assert code == 1
    assert "acme could not be listed, so nothing of it is made or archived" in out
    assert not gitea.writes()


def test_a_list_that_breaks_off_on_its_second_page_is_no_list(
    command: Command, gitea: FakeGitea, github: FakeGithub
) -> None:
    mine = {"topics": [MARK], "mirror_interval": "8h0m0s"}
    gitea.make("acme/tool-150", source=f"{github.url}/acme/tool-150.git", **mine)
    github.trouble = lambda asked: 500 if "page=2" in asked else 0
    plan = command.plan()
    assert (plan["actions"], len(plan["troubles"])) == ([], 1)


def test_an_empty_list_where_there_were_mirrors_is_suspicious(
    command: Command, gitea: FakeGitea, github: FakeGithub
) -> None:
    mine = {"topics": [MARK], "mirror_interval": "8h0m0s"}
    gitea.make("acme/tool-000", source=f"{github.url}/acme/tool-000.git", **mine)
    github.repositories.clear()
    plan = command.plan()
    assert plan["actions"] == []
    assert "suspicious" in plan["notes"][0]


def test_a_plan_with_changes_says_so_by_its_exit_code_only_when_asked(command: Command) -> None:
    assert command.run("plan")[0] == 0
    assert command.run("plan", "--exit-code")[0] == 1


@pytest.mark.parametrize(
    ("spoil", "code"),
    [("away", 5), ("stranger", 6), ("no file", 7), ("wrong file", 2), ("no address", 2)],
)
def test_each_way_to_fail_has_its_exit_code(command: Command, gitea: FakeGitea, spoil: str, code: int) -> None:
    if spoil == "away":
        command.credentials.write_text("http://a:b@127.0.0.1:9\n")
        command = Command(command.directory, "http://127.0.0.1:9", command.github, command.credentials)
    elif spoil == "stranger":
        command.credentials.write_text(gitea.url.replace("//", "//raibid-mirror:wrong@") + "\n")
    elif spoil == "no file":
        (command.directory / "mirrors.yaml").unlink()
    elif spoil == "wrong file":
        command.write("singel: []\n")
    else:
        command = Command(command.directory, "", command.github, command.credentials)
    done, out, err = command.run("plan")
    assert (done, out) == (code, ""), err
    assert "next:" in err
