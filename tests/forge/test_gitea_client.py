"""Gitea's API over real HTTP: what is sent, what each kind of trouble becomes, and what is never told or sent."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from raibid.forge import ForgeError
from raibid.forge.commit_status import CommitState, CommitStatus
from raibid.forge.credentials import Login, login_for
from raibid.forge.errors import (
    CallError,
    ForgeAnswerError,
    ForgeConflictError,
    ForgeFaultError,
    ForgeForbiddenError,
    ForgeInvalidError,
    ForgeLimitError,
    ForgeLoginError,
    ForgeMovedError,
    ForgeNotFoundError,
    ForgeReachError,
    ForgeRefusedError,
    ForgeSilentError,
    ForgeUnavailableError,
)
from raibid.forge.gitea import GiteaClient
from raibid.forge.gitea.hooks import GiteaHooks
from raibid.forge.gitea.mirrors import GiteaMirrors
from raibid.forge.session import Session

from tests.forge.fake_forge import TOKEN, FakeForge

SHA = "5" * 40
STATUS = CommitStatus(
    state=CommitState.SUCCESS, context="raibid", description="built in 7 s", target_url="https://ci.example.test/jobs/1"
)


@pytest.fixture
def client(forge: FakeForge, tmp_path: Path) -> Iterator[GiteaClient]:
    with GiteaClient.connect(f"{forge.url}/", forge.credentials(tmp_path / "credentials")) as client:
        yield client


def tell(client: GiteaClient) -> None:
    client.set_status("acme/anvil", SHA, STATUS)


def test_a_status_is_shown_as_it_was_said(forge: FakeForge, client: GiteaClient) -> None:
    shown = client.set_status("acme/anvil", SHA, STATUS)
    assert (shown.id, shown.state, shown.context) == (1, "success", "raibid")
    assert forge.statuses == [
        {
            "repo": "acme/anvil",
            "sha": SHA,
            "state": "success",
            "context": "raibid",
            "description": "built in 7 s",
            "target_url": "https://ci.example.test/jobs/1",
        }
    ]


TROUBLE: dict[int, type[CallError]] = {
    301: ForgeMovedError,
    400: ForgeRefusedError,
    401: ForgeLoginError,
    403: ForgeForbiddenError,
    404: ForgeNotFoundError,
    410: ForgeNotFoundError,
    409: ForgeConflictError,
    422: ForgeInvalidError,
    429: ForgeLimitError,
    500: ForgeFaultError,
    502: ForgeUnavailableError,
    503: ForgeUnavailableError,
    504: ForgeUnavailableError,
}


@pytest.mark.parametrize("status", TROUBLE)
def test_each_answer_says_whether_another_try_may_help(forge: FakeForge, client: GiteaClient, status: int) -> None:
    forge.trouble = lambda asked: status if asked.startswith("POST") else 0
    forge.headers = {"Location": "http://127.0.0.1:9/elsewhere"} if status == 301 else {}
    with pytest.raises(ForgeError) as raised:
        tell(client)
    assert type(raised.value) is TROUBLE[status]
    assert f"HTTP {status}: not now" in str(raised.value)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("token does not have at least one of required scope(s), required=[write:repository]", ForgeLoginError),
        ("token scope is limited to public repos", ForgeReachError),
        ("You must change your password. Change it at: http://gitea/user/change_password", ForgeLoginError),
        ("This account is prohibited from signing in, please contact your site administrator.", ForgeLoginError),
        ("Resource not accessible by integration", ForgeReachError),
        ("Resource protected by organization SAML enforcement. You must grant your token access", ForgeReachError),
        ("Although you appear to have the correct authorization credentials, `acme` has an IP allow", ForgeReachError),
        ("user should have a permission to write to a repo", ForgeForbiddenError),
        ("Must have push access to view collaborator permission.", ForgeForbiddenError),
        ("Repository was archived so is read-only.", ForgeForbiddenError),
        ("", ForgeForbiddenError),
    ],
)
def test_a_403_is_a_refusal_unless_it_is_about_our_login(
    forge: FakeForge, client: GiteaClient, words: str, kind: type[CallError]
) -> None:
    forge.trouble, forge.words = lambda _: 403, words
    with pytest.raises(CallError) as raised:
        tell(client)
    assert type(raised.value) is kind


def test_a_status_follows_a_renamed_repository(forge: FakeForge, client: GiteaClient) -> None:
    forge.renamed = {"acme/anvil": "acme/hammer"}
    tell(client)
    assert [one["repo"] for one in forge.statuses] == ["acme/hammer"]
    assert len([asked for asked in forge.asked if asked.startswith("POST")]) == 2


def test_a_commit_that_is_gone_is_not_taken_for_a_forge_in_trouble(forge: FakeForge, client: GiteaClient) -> None:
    forge.gone = {SHA}
    with pytest.raises(ForgeNotFoundError):
        tell(client)


def test_a_post_is_sent_once_whatever_happens(forge: FakeForge, client: GiteaClient) -> None:
    forge.trouble = lambda _: 503
    with pytest.raises(ForgeUnavailableError):
        tell(client)
    assert len(forge.asked) == 1


def test_a_get_is_tried_again(forge: FakeForge, tmp_path: Path) -> None:
    answers = [503, 502, 0]
    forge.trouble = lambda _: answers.pop(0)
    login = login_for(forge.url, forge.credentials(tmp_path / "credentials"))
    with Session(f"{forge.url}/api/v1", login, tries=2, pause=0.001) as session:
        session.call("GET", f"/repos/acme/anvil/git/commits/{SHA}", dict)
    assert answers == []


def test_a_forge_that_is_down_is_unavailable(forge: FakeForge, tmp_path: Path) -> None:
    login = login_for(forge.url, forge.credentials(tmp_path / "credentials"))
    forge.stop()
    with (
        Session(forge.url, login, tries=0) as session,
        pytest.raises(ForgeUnavailableError, match="no answer") as raised,
    ):
        session.call("GET", "/version", dict)
    assert not isinstance(raised.value, ForgeSilentError), "it was never asked"


def test_a_forge_that_says_nothing_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            Session(url, Login("a", "b"), timeout=(1.0, 0.1), tries=0) as session,
            pytest.raises(ForgeSilentError, match="no answer"),
        ):
            session.call("POST", "/x", dict, {})


@pytest.mark.parametrize(("header", "seconds"), [("120", 120.0), ("soon", 0.0), ("-5", 0.0), ("", 0.0), ("٣", 0.0),
       ("9" * 400, 86_400.0)])  # fmt: skip
def test_a_forges_wish_to_be_left_alone_is_passed_on(
    forge: FakeForge, client: GiteaClient, header: str, seconds: float
) -> None:
    forge.trouble = lambda _: 503
    forge.headers = {"Retry-After": header.encode("utf-8").decode("latin-1")}
    with pytest.raises(ForgeUnavailableError) as raised:
        tell(client)
    assert raised.value.retry_after == seconds


def test_an_answer_of_another_shape_is_an_error_of_ours(forge: FakeForge, client: GiteaClient) -> None:
    with pytest.raises(ForgeAnswerError):
        client.session.call("GET", f"/repos/acme/anvil/git/commits/{SHA}", list)


def test_the_token_is_in_no_error_and_no_repr(forge: FakeForge, tmp_path: Path) -> None:
    file = forge.credentials(tmp_path / "credentials")
    login = login_for(forge.url, file)
    said = [repr(login), repr(Session(forge.url, login))]
    forge.stop()
    with Session(forge.url, login, tries=0) as session, pytest.raises(ForgeUnavailableError) as raised:
        session.call("POST", "/x", dict, {"password": "body-sentinel"})
    said.append(f"{raised.value!r} {raised.value} {raised.value.__cause__}")
    assert TOKEN not in " ".join(said)
    assert "body-sentinel" not in " ".join(said)


def test_a_redirect_is_not_followed_with_the_token(forge: FakeForge, client: GiteaClient) -> None:
    thief = FakeForge()
    thief.start()
    forge.trouble, forge.headers = lambda _: 307, {"Location": f"{thief.url}/api/v1/repos/acme/anvil/statuses/{SHA}"}
    with pytest.raises(ForgeMovedError, match="moved to"):
        tell(client)
    thief.stop()
    assert thief.asked == []


def test_agents_that_want_the_names_alone_do_not_pay_for_the_clients() -> None:
    code = "import sys, raibid.forge; print('requests' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


@pytest.mark.parametrize("place", ["acme/anvil", "acme"])
def test_what_a_second_try_finds_deleted_is_deleted(forge: FakeForge, client: GiteaClient, place: str) -> None:
    forge.trouble = lambda asked: 404 if asked.startswith("DELETE") else 0
    GiteaHooks(client.session).delete(place, 1)
    GiteaMirrors(client.session, client.session).remove(place)
    assert len(forge.asked) == 2


# --- credentials -------------------------------------------------------------------------------------------


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    file = tmp_path / "credentials"
    file.write_text(
        "\n# comment\nhttps://[half\nhttps://git.example.test\nhttps://ci:one@git.example.test\n"
        "https://ci:two@git.example.test:8443/some/path\nhttp://ci:three@GIT.example.test:3000\n"
    )
    return file


def test_a_directory_of_files_is_read_as_one_and_what_the_kubelet_keeps_beside_them_is_not(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "gitea").write_text("http://a:one@gitea.test:3000\n")
    (tmp_path / "others").write_text("https://b:two@github.com\n")
    assert login_for("https://github.com", tmp_path) == Login("b", "two")
    assert login_for("http://gitea.test:3000", tmp_path) == Login("a", "one")


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("https://git.example.test", "one"),
        ("https://GIT.example.test:443/api/v1", "one"),
        ("https://git.example.test:8443", "two"),
        ("http://git.example.test:3000/gitea", "three"),
    ],
)
def test_a_line_is_for_its_scheme_host_and_port_only(lines: Path, url: str, password: str) -> None:
    assert login_for(url, lines) == Login("ci", password)


@pytest.mark.parametrize("url", ["http://git.example.test", "https://evil.example.test", "https://git.example.test:1"])
def test_no_other_place_gets_a_token(lines: Path, url: str) -> None:
    with pytest.raises(ForgeLoginError, match="no line") as raised:
        login_for(url, lines)
    assert not {"one", "two", "three"} & set(str(raised.value).replace("/", " ").replace(":", " ").split())


def test_a_missing_file_is_the_operators_to_mend(tmp_path: Path) -> None:
    with pytest.raises(ForgeLoginError, match="No such file"):
        login_for("https://git.example.test", tmp_path / "nothing")
