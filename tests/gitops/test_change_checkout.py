"""The checkout: a branch of a stranger's repository, of which nothing is followed, changed or lost by the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from raibid.git.errors import GitError
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.change.fence import git_for
from raibid.gitops.errors import NoRepositoryError, NotAllowedError, PushRefusedError
from raibid.gitops.settings import GitopsSettings

from tests.gitops.git_host import PASSWORD, GitHost, git
from tests.http_server import HttpServer

FLEET = "raibid/fleet"
Opened = Callable[..., Checkout]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    with GitHost(tmp_path / "host") as running:
        running.repository(FLEET, {"apps/a.yaml": "a: 1\n", "b.yaml": "b: 1\n"})
        yield running


@pytest.fixture
def opened(host: GitHost, tmp_path: Path) -> Opened:
    def open_(name: str = FLEET, branch: str = "main", *, password: str = PASSWORD, url: str = "") -> Checkout:
        runner = git_for(GitopsSettings(), host.credentials(tmp_path / "credentials", password))
        return Checkout.open(url or host.clone_url(name), branch, tmp_path / "work", runner)

    return open_


def test_only_the_newest_commit_is_fetched(host: GitHost, opened: Opened) -> None:
    newest = [host.commit(FLEET, {"b.yaml": f"b: {number}\n"}) for number in range(3)][-1]
    checkout = opened()
    assert checkout.head == newest
    assert checkout.git("rev-list", "--all").split() == [newest]


def test_what_is_written_is_what_the_diff_shows(opened: Opened) -> None:
    checkout = opened()
    checkout.write({"apps/a.yaml": b"a: 2\n", "new/c.yaml": b"c: 1\n", "b.yaml": None})
    diff = checkout.diff()
    assert "-a: 1\n+a: 2\n" in diff
    assert "new file mode 100644" in diff
    assert "deleted file mode 100644" in diff


def test_a_commit_without_a_difference_is_none(opened: Opened) -> None:
    checkout = opened()
    checkout.write({"apps/a.yaml": b"a: 1\n", "not-there.yaml": None})
    assert checkout.diff() == ""
    assert checkout.commit("nothing\n") is None


def test_the_commit_is_the_settings_authors_and_its_message_is_kept_to_the_byte(opened: Opened) -> None:
    checkout = opened()
    checkout.write({"b.yaml": b"b: 2\n"})
    message = "Set b\n\n# no comment\n\nRaibid-By: test\n"
    assert checkout.commit(message) == checkout.head
    assert checkout.git("log", "-1", "--format=%an <%ae>|%B") == f"raibid <raibid@raibid.internal>|{message}\n"


def test_what_is_ignored_is_committed_nevertheless_for_it_is_applied(host: GitHost, opened: Opened) -> None:
    host.commit(FLEET, {".gitignore": "*.yaml\n"})
    checkout = opened()
    checkout.write({"apps/new.yaml": b"n: 1\n"})
    assert "+n: 1" in checkout.diff()


def test_attributes_of_the_repository_change_no_byte(host: GitHost, opened: Opened) -> None:
    host.commit(FLEET, {".gitattributes": "* text eol=crlf ident\n", "b.yaml": "b: $Id$\n"})
    checkout = opened()
    assert (checkout.at / "b.yaml").read_bytes() == b"b: $Id$\n"
    assert (checkout.at / "apps/a.yaml").read_bytes() == b"a: 1\n"


@pytest.mark.parametrize(
    "path", ["../out", "/etc/out", "a/../../out", ".git/config", "x/.GIT/hooks/pre-push", "", "a\nb", "git~1/config"]
)
def test_nothing_is_written_outside_of_the_repository(opened: Opened, path: str) -> None:
    checkout = opened()
    with pytest.raises(NotAllowedError):
        checkout.write({path: b"x"})


def test_a_link_in_the_repository_is_a_file_with_its_target_and_is_not_written_through(
    host: GitHost, opened: Opened, tmp_path: Path
) -> None:
    (tmp_path / "outside").write_text("secret")
    bare = host.bare(FLEET)
    blob = git(bare, "hash-object", "-w", "--stdin", lines=str(tmp_path / "outside").encode())
    index = {"GIT_INDEX_FILE": str(tmp_path / "index"), "PATH": "/usr/bin:/bin"}
    git(bare, "update-index", "--add", "--cacheinfo", f"120000,{blob},link.yaml", env=index)
    tree = git(bare, "write-tree", env=index)
    author = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    git(bare, "update-ref", "refs/heads/main", git(bare, *author, "commit-tree", tree, "-m", "link"))
    checkout = opened()
    assert not (checkout.at / "link.yaml").is_symlink()
    with pytest.raises(NotAllowedError, match="link"):
        checkout.write({"link.yaml": b"x"})
    assert (tmp_path / "outside").read_text() == "secret"


def test_a_directory_where_a_file_should_be_is_an_answer(opened: Opened) -> None:
    with pytest.raises(NotAllowedError, match="apps"):
        opened().write({"apps": b"x"})


@pytest.mark.parametrize(("name", "branch"), [("raibid/none", "main"), (FLEET, "none")])
def test_a_repository_or_branch_that_is_not_there_is_an_answer(opened: Opened, name: str, branch: str) -> None:
    with pytest.raises(NoRepositoryError):
        opened(name, branch)


def test_head_is_the_default_branch_whichever_that_is(host: GitHost, opened: Opened) -> None:
    host.repository("raibid/trunk", {"a": "b"}, branch="trunk")
    assert opened("raibid/trunk", "HEAD").branch == "trunk"


@pytest.mark.parametrize("branch", ["--upload-pack=touch", "a..b", "", "x y", "-"])
def test_a_branch_with_a_name_that_git_does_not_take_is_never_asked_for(opened: Opened, branch: str) -> None:
    with pytest.raises((NotAllowedError, NoRepositoryError)):
        opened(branch=branch)


def test_wrong_credentials_are_an_answer_that_does_not_hold_them(opened: Opened) -> None:
    with pytest.raises(NoRepositoryError) as refused:
        opened(password="wr0ng-password")
    assert "file of credentials" in refused.value.hint
    assert "wr0ng-password" not in str(refused.value)


def test_no_file_and_no_argument_of_the_clone_holds_the_password(opened: Opened) -> None:
    checkout = opened()
    assert PASSWORD not in "".join(
        file.read_text(errors="replace") for file in checkout.at.rglob("*") if file.is_file()
    )


def test_a_redirect_is_not_followed_for_it_would_take_our_credentials_along(host: GitHost, opened: Opened) -> None:
    class Elsewhere(HttpServer):
        def handler(self) -> type[BaseHTTPRequestHandler]:
            class Redirects(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    self.send_response(302)
                    self.send_header("Location", f"{host.url}{self.path}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()

                def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                    """Quiet."""

            return Redirects

    with Elsewhere() as elsewhere, pytest.raises(GitError):
        opened(url=f"{elsewhere.url}/{FLEET}.git")


def test_only_http_is_spoken(opened: Opened, host: GitHost) -> None:
    with pytest.raises(GitError, match="transport 'file' not allowed"):
        opened(url=f"file://{host.bare(FLEET)}")


def test_a_later_commit_that_contains_ours_counts_and_one_beside_it_does_not(host: GitHost, opened: Opened) -> None:
    old = host.head(FLEET)
    commits = [host.commit(FLEET, {"b.yaml": f"b: {number}\n"}) for number in range(60)]
    checkout = opened()
    later = host.commit(FLEET, {"b.yaml": "later\n"})
    beside = host.commit("raibid/fleet", {"x": "y"}, branch="beside")
    assert checkout.contains(commits[-1], later)
    assert checkout.contains(old, later)
    assert not checkout.contains(later, old)
    assert not checkout.contains(beside, later)
    assert not checkout.contains("main; rm", later)
    assert not checkout.contains("f" * 40, later)


def test_history_is_fetched_as_far_as_it_is_asked_for_and_kept_when_the_branch_moves_on(
    host: GitHost, opened: Opened
) -> None:
    old = host.head(FLEET)
    commits = [host.commit(FLEET, {"b.yaml": f"b: {number}\n"}) for number in range(5)]
    checkout = opened()
    checkout.deepen(old)
    assert checkout.git("rev-list", "--reverse", f"{old}..HEAD").split() == commits
    newest = host.commit(FLEET, {"b.yaml": "newest\n"})
    assert checkout.refresh() == newest
    assert checkout.git("rev-list", "--reverse", f"{old}..HEAD").split() == [*commits, newest]


def test_refresh_leaves_nothing_of_what_was_not_pushed(host: GitHost, opened: Opened) -> None:
    checkout = opened()
    checkout.write({"b.yaml": b"b: 2\n", "new.yaml": b"n: 1\n"})
    checkout.commit("ours\n")
    (checkout.at / "apps" / "stray").write_text("stray")
    assert checkout.refresh() == host.head(FLEET)
    assert sorted(file.name for file in checkout.at.rglob("*") if ".git" not in file.parts) == [
        "a.yaml",
        "apps",
        "b.yaml",
    ]


def test_a_branch_of_ours_takes_the_place_of_what_it_is_known_to_be_and_of_nothing_else(
    host: GitHost, opened: Opened
) -> None:
    checkout = opened()
    checkout.write({"b.yaml": b"b: 2\n"})
    first = checkout.commit("ours\n")
    checkout.push("raibid/change", instead_of="")
    assert checkout.newest_of("raibid/change") == first == host.head(FLEET, "raibid/change")
    assert checkout.newest_of("raibid/none") == ""
    checkout.reset()
    checkout.write({"b.yaml": b"b: 3\n"})
    second = checkout.commit("ours again\n")
    checkout.push("raibid/change", instead_of=first)
    assert host.head(FLEET, "raibid/change") == second


def test_a_push_without_the_right_is_refused_and_not_raced(host: GitHost, opened: Opened) -> None:
    checkout = opened()
    checkout.write({"b.yaml": b"b: 2\n"})
    checkout.commit("ours\n")
    git(host.bare(FLEET), "config", "http.receivepack", "false")
    with pytest.raises(PushRefusedError, match="403"):
        checkout.push()
