"""Clone URLs of live objects: no credentials are told, no strange one ends in a traceback, only listed hosts count."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.gitops.errors import NotAllowedError
from raibid.gitops.owner.urls import without_password
from raibid.gitops.settings import GitopsSettings

SETTINGS = GitopsSettings(hosts=("gitea.test", "gitea.test:3000"))
URLS = st.from_regex(r"https?://[^/]*/.*") | st.text(max_size=40)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://u:s3cret@gitea.test/x", "https://gitea.test/x"),
        ("https://s3cret@gitea.test/x", "https://gitea.test/x"),
        ("https://u:s3cret@[gitea/x", "https://[gitea/x"),
        ("https://u:s3cret@[gitea/x@1", "https://[gitea/x@1"),
        ("u:s3cret@[gitea/x", "[gitea/x"),
        ("ssh://git@gitea.test/x", "ssh://git@gitea.test/x"),
        ("git@gitea.test:x", "git@gitea.test:x"),
        ("https://[gitea/x", "https://[gitea/x"),
    ],
)
def test_a_url_is_told_without_its_credentials(url: str, told: str) -> None:
    assert without_password(url)[0] == told


@given(st.from_regex(r"([a-z0-9+]{1,9}://)?", fullmatch=True), st.sampled_from(["", "["]), st.text(max_size=20))
def test_no_password_is_told_of_any_url(scheme: str, bracket: str, rest: str) -> None:
    assert "s3cret" not in without_password(f"{scheme}user:s3cret@{bracket}{rest}")[0]


@given(URLS)
def test_what_is_told_of_a_url_has_no_credentials_left(url: str) -> None:
    told = without_password(url)[0]
    assert without_password(told) == (told, "")


@pytest.mark.parametrize("url", ["https://gitea.test:port/x", "https://[gitea.test/x", "https://gitea.test:99999/x"])
def test_a_url_without_a_host_or_port_is_not_allowed(url: str) -> None:
    with pytest.raises(NotAllowedError, match="cannot be read"):
        SETTINGS.reachable(url)


def test_what_is_no_url_is_refused_without_its_password() -> None:
    with pytest.raises(NotAllowedError) as refused:
        SETTINGS.reachable("https://u:s3cret@[gitea/x")
    assert "s3cret" not in str(refused.value)


@given(URLS)
def test_only_listed_hosts_are_reached(url: str) -> None:
    try:
        reached = SETTINGS.reachable(url)
    except NotAllowedError:
        return
    assert urlsplit(reached).hostname == "gitea.test"
