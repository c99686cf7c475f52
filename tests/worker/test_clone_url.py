"""Clone URLs: what git may follow, and what could be read as something else."""

from __future__ import annotations

import pytest
from raibid.forge import PayloadError, names
from raibid.worker.clone_url import checked_ref, checked_sha, checked_url, scrub
from raibid.worker.errors import JobFaultError


@pytest.mark.parametrize(
    "url",
    [
        "https://forge.test/a/b.git",
        "http://forge.test:3000/a/b",
        "ssh://git@forge.test:22/a/b",
        "git@forge.test:a/b.git",
        "forge.test:a/b.git",
    ],
)
def test_allowed(url: str) -> None:
    assert checked_url(url, allow_files=False) == url


@pytest.mark.parametrize(
    "url",
    [
        "", "-upload-pack=x", "ext::sh -c id", "ext::sh", "file:///etc", "/etc", "git://forge.test/x",
        "ftp://forge.test/x", "https://", "https://forge.test/a\nb", "ssh://-oProxyCommand=id/x",
        "ssh://-l@forge.test/x", "git@-host:x", "https://me:pw@forge.test/x", "relative/path", "fd::17",
        "https://pw@forge.test/x", "http://pw@forge.test/x", "ssh://git:pw@forge.test/x", "file://pw@host/x",
    ],
)  # fmt: skip
def test_refused(url: str) -> None:
    with pytest.raises(JobFaultError) as refusal:
        checked_url(url, allow_files=False)
    assert "pw" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://pw@forge.test/x",
        "https://me:pw@forge.test/x",
        "ssh://git:pw@forge.test/x",
        "https://me:pw\u2100@forge.test/x",  # urlsplit's error quotes it
    ],
)
def test_what_the_api_refuses_the_agent_refuses_too(url: str) -> None:
    with pytest.raises(PayloadError):
        names.clone_url(url)
    with pytest.raises(JobFaultError, match="credentials") as refusal:
        checked_url(url, allow_files=True)
    assert "pw" not in str(refusal.value)


@pytest.mark.parametrize("url", ["/srv/x.git", "file:///srv/x.git"])
def test_files_only_where_they_are_allowed(url: str) -> None:
    assert checked_url(url, allow_files=True) == url


@pytest.mark.parametrize(
    "ref", ["main", "--upload-pack=x", "refs/heads/a b", "refs/heads/a:b", "refs/../x", "refs/a\n"]
)
def test_refs_that_are_something_else(ref: str) -> None:
    with pytest.raises(JobFaultError):
        checked_ref(ref)


@pytest.mark.parametrize("sha", ["HEAD", "-x", "abc", "A" * 40])
def test_ids_that_are_none(sha: str) -> None:
    with pytest.raises(JobFaultError):
        checked_sha(sha)


def test_scrubbing_takes_every_credential() -> None:
    assert scrub("a https://u:p@h/x b ssh://t@h c") == "a https://***@h/x b ssh://***@h c"
