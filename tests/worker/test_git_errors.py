"""What git says, and whose fault it is."""

from __future__ import annotations

import pytest
from raibid.worker.git_errors import GitFault, classify

_SAYINGS = {
    "fatal: unable to access 'https://f/x.git/': Could not resolve host: f": GitFault.NETWORK,
    "fatal: unable to access 'http://127.0.0.1:9/x/': Failed to connect to 127.0.0.1 port 9 after 0 ms: "
    "Couldn't connect to server": GitFault.NETWORK,
    "fatal: unable to access 'https://f/x.git/': Operation timed out after 60000 milliseconds": GitFault.NETWORK,
    "error: RPC failed; curl 56 Recv failure: Connection reset by peer\nfatal: early EOF": GitFault.NETWORK,
    "ssh: connect to host f port 22: Connection refused\n"
    "fatal: Could not read from remote repository.": GitFault.NETWORK,
    "fatal: unable to access 'https://f/x.git/': The requested URL returned error: 502": GitFault.FORGE,
    "fatal: unable to access 'https://f/x.git/': The requested URL returned error: 429": GitFault.FORGE,
    "error: RPC failed; HTTP 503 curl 22 The requested URL returned error: 503": GitFault.FORGE,
    "fatal: Authentication failed for 'https://f/x.git/'": GitFault.CREDENTIALS,
    "fatal: could not read Username for 'https://f': terminal prompts disabled": GitFault.CREDENTIALS,
    "fatal: unable to access 'https://f/x.git/': The requested URL returned error: 403": GitFault.CREDENTIALS,
    "git@f: Permission denied (publickey).\nfatal: Could not read from remote repository.": GitFault.CREDENTIALS,
    "remote: Repository not found.\nfatal: repository 'https://f/x.git/' not found": GitFault.REPOSITORY_GONE,
    "fatal: '/srv/x.git' does not appear to be a git repository\n"
    "fatal: Could not read from remote repository.": GitFault.REPOSITORY_GONE,
    "fatal: remote error: access denied or repository not exported: /x.git": GitFault.REPOSITORY_GONE,
    "fatal: couldn't find remote ref refs/heads/gone": GitFault.REF_GONE,
    "fatal: remote error: upload-pack: not our ref 1234": GitFault.COMMIT_GONE,
    "error: Server does not allow request for unadvertised object 1234": GitFault.COMMIT_GONE,
    "fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output": GitFault.DISK_FULL,
    "fatal: the moon is in the wrong phase": GitFault.UNKNOWN,
    "": GitFault.UNKNOWN,
}


@pytest.mark.parametrize(("said", "fault"), _SAYINGS.items(), ids=range(len(_SAYINGS)))
def test_classification(said: str, fault: GitFault) -> None:
    assert classify(said).fault is fault


def test_only_what_the_job_asked_for_is_the_jobs_fault() -> None:
    own = {fault for fault in GitFault if not fault.infrastructure}
    assert own == {GitFault.REPOSITORY_GONE, GitFault.REF_GONE, GitFault.COMMIT_GONE}


def test_a_reason_is_one_line_without_credentials() -> None:
    failure = classify("fatal: unable to access 'https://me:t0ken@f/x.git/': Could not resolve host: f\nmore")
    assert failure.reason == "network: unable to access 'https://***@f/x.git/': Could not resolve host: f"
