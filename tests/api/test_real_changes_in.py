"""Deliveries that do not tell what they change: the forge is asked, and its silence costs a filter, never a build."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from raibid.api.patience import Patience
from raibid.api.settings import Settings
from raibid.forge.errors import CallError, ForgeNotFoundError, ForgeUnavailableError
from raibid.ledger import Ledger

from tests.api.asked_forge import AskedForge, asking
from tests.api.conftest import PUSH, Api, payload, served

FIXTURES = Path(__file__).parents[1] / "forge" / "fixtures"
PULL = (FIXTURES / "gitea-pull-request-opened.json").read_bytes()
LONG = (FIXTURES / "gitea-more-commits-than-listed.json").read_bytes()


@pytest.fixture
def filtered(make_settings: Callable[..., Settings], ledger: Ledger, tmp_path: Path) -> Iterator[Api]:
    """An API that builds changes of src/ only."""
    rules = tmp_path / "enrolment.yaml"
    rules.write_text("default: {paths: ['src/**']}")
    with served(make_settings(enrolment_file=rules), ledger) as api:
        yield api


def asked(api: Api, outcome: str) -> float:
    labels = {"forge": "gitea", "outcome": outcome}
    return api.parts.metrics.registry.get_sample_value("raibid_changes_asked_total", labels) or 0.0


def deliver(api: Api, body: bytes) -> httpx.Response:
    return api.deliver(body, event="push" if body is LONG else "pull_request")


@pytest.mark.parametrize("body", [PULL, LONG], ids=["pull-request", "long-push"])
def test_path_filters_mean_the_files_the_forge_names(filtered: Api, body: bytes) -> None:
    forge = AskedForge(files=("README.md",))
    with asking(filtered, forge):
        assert deliver(filtered, body).json() == {"skipped": "no changed file is selected for acme/anvil"}
        forge.files = ("src/lib.rs",)
        made = deliver(filtered, body).json()
    job = filtered.ledger.records.get(made["id"])
    assert job is not None
    assert job.spec.changed == ("src/lib.rs",), "what the steps' own filters see"
    assert asked(filtered, "told") == 2


def test_skip_ci_in_the_head_commit_of_a_pull_request_is_obeyed(api: Api) -> None:
    with asking(api, AskedForge(message="docs: typo\n\n[skip ci]")):
        assert "skip CI" in deliver(api, PULL).json()["skipped"]


@pytest.mark.parametrize(
    ("error", "outcome"), [(ForgeUnavailableError("away"), "away"), (ForgeNotFoundError("no commit"), "refused")]
)
def test_a_forge_that_does_not_say_costs_the_filter_and_not_the_build(
    filtered: Api, error: CallError, outcome: str
) -> None:
    def fails() -> None:
        raise error

    with asking(filtered, AskedForge(trouble=fails)):
        assert deliver(filtered, PULL).json()["created"]
    assert asked(filtered, outcome) == 1


def test_a_slow_forge_is_not_waited_for(filtered: Api) -> None:
    with asking(filtered, AskedForge(silent=True), seconds=0.05):
        assert deliver(filtered, PULL).json()["created"]
        assert asked(filtered, "late") == 1


def test_a_slow_repository_costs_no_other_its_filters(filtered: Api) -> None:
    forge = AskedForge(silent=True)
    other = PULL.replace(b"acme/anvil", b"acme/other")
    with asking(filtered, forge, seconds=0.05, patience=Patience(60.0, 60.0)):
        assert deliver(filtered, PULL).json()["created"]
        forge.speaks.set()
        assert deliver(filtered, PULL.replace(b'"number": 1,', b'"number": 2,')).json()["created"], "it is not asked"
        assert "skipped" in filtered.deliver(other, event="pull_request").json()
    assert [asked(filtered, outcome) for outcome in ("late", "unasked", "told")] == [1, 1, 1]


def test_slow_answers_hold_up_no_push_that_tells_all(api: Api) -> None:
    forge = AskedForge(silent=True)
    bodies = [PULL.replace(b'"number": 1,', b'"number": %d,' % number) for number in range(2, 12)]
    with asking(api, forge), ThreadPoolExecutor(len(bodies)) as threads:
        waiting = [threads.submit(api.deliver, body, event="pull_request") for body in bodies]
        assert api.deliver().json()["created"]
        forge.speaks.set()
        assert all(answer.result().json()["status"] for answer in waiting)


def test_nobody_asks_about_what_is_told_or_not_built_anyway(api: Api) -> None:
    forge = AskedForge()
    with asking(api, forge):
        for body in (PUSH, payload(ref="refs/tags/v1"), (FIXTURES / "gitea-skip-ci.json").read_bytes()):
            assert api.deliver(body).status_code == 200
    assert forge.asked == []


def test_a_forge_without_an_address_is_not_asked(filtered: Api) -> None:
    body = (FIXTURES / "github-pull-request-synchronize.json").read_bytes()
    with asking(filtered, AskedForge(files=("README.md",))):
        assert filtered.deliver(body, forge="github", event="pull_request").json()["created"]
