"""A comment as a real Gitea takes it: no word of strangers is a link, an image, a mention or markup of theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from raibid.forge.comment import comment_of
from raibid.model.report import Annotation, Case, Tested

from components.secret_values import deriver
from components.settings import load_stack
from tests.cluster.parts.developer import Developer
from tests.cluster.parts.gitea_server import Gitea
from tests.cluster.tree.emitted import SEED
from tests.forge.test_comment import ATTACKS, OURS, URL, Page, job
from tests.waiting import until

STACK = load_stack("dgx-spark")
REPOSITORY = f"{STACK.gitea.organisation}/rendered"
OF_GITEA = {"div"}
"""Its box around a block of code."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitea]:
    with Gitea(tmp_path_factory.mktemp("gitea"), STACK, deriver(SEED, STACK.rotation)) as server:
        server.set_up("http://127.0.0.1:9/webhook/gitea")
        yield server


@pytest.fixture(scope="module")
def ada(server: Gitea) -> Developer:
    """Who owns the repository, and says in it what raibid's user would."""
    ada = server.developer("ada", owner=True)
    ada.create(REPOSITORY)
    return ada


def comment(words: str) -> str:
    """A comment of ours with somebody else's words wherever they may stand."""
    case = Case(name=words, suite=words, message=words)
    remark = Annotation(file=words, line=1, level="warning", code=words, message=words)
    tests = Tested(total=5, failed=3, failures=(case,), slowest=(case,), flakes=(case,))
    return comment_of(job(tests=tests, annotations=(remark,), reason=words), URL)


def rendered(server: Gitea, text: str) -> Page:
    """The text as the page of a pull request of the repository shows it."""
    asked = {"Text": text, "Mode": "comment", "Context": REPOSITORY, "Wiki": False}
    ada = server.login("ada", "tests/ada")
    login = (ada.name, ada.password.get_secret_value())
    answer = requests.post(f"{server.url}/api/v1/markdown", json=asked, auth=login, timeout=60)  # HTML, not JSON
    answer.raise_for_status()
    return Page(answer.text)


def test_gitea_makes_links_of_what_is_not_kept_from_it(server: Gitea, ada: Developer) -> None:
    page = rendered(server, f"@{ada.name} {URL} ![x](https://evil.example/i.png)")
    assert len(page.links) == 3
    assert "img" in page.tags


@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
def test_gitea_shows_strangers_words_as_text(server: Gitea, ada: Developer, attack: str) -> None:
    page = rendered(server, comment(attack))
    assert page.links == [f"{URL}jobs/0r4d0k3n5q1zj8wb"]
    assert page.tags <= OURS | OF_GITEA
    assert page.comments == []


def test_a_comment_calls_nobody_and_refers_to_nothing(server: Gitea, ada: Developer) -> None:
    eve = server.developer("eve")
    ada.api.call("PUT", f"/repos/{REPOSITORY}/collaborators/eve", {"permission": "read"})
    eve.api.call("DELETE", f"/repos/{REPOSITORY}/subscription")  # told of what calls her, not of everything
    for number in (1, 2, 3):
        ada.api.call("POST", f"/repos/{REPOSITORY}/issues", {"title": f"issue {number}"})

    def says(words: str, number: int) -> None:
        ada.api.call("POST", f"/repos/{REPOSITORY}/issues/{number}/comments", {"body": words})

    def called() -> list[str]:
        found: list[dict[str, Any]] = eve.api.call("GET", "/notifications?all=true") or []
        return [each["subject"]["title"] for each in found]

    def referred() -> list[str]:
        events: list[dict[str, Any]] = ada.api.call("GET", f"/repos/{REPOSITORY}/issues/1/timeline") or []
        return [each["ref_issue"]["title"] for each in events if each.get("ref_issue")]

    says(comment(f"@eve #1 {REPOSITORY}#1 closes #1"), 2)
    says("\n\n".join(comment(f"{attack} @eve #1") for attack in ATTACKS), 2)
    says(f"@eve #1 {REPOSITORY}#1", 3)
    until(lambda: called() and referred(), "the words that are not kept from Gitea")
    assert (called(), referred()) == (["issue 3"], ["issue 3"])
