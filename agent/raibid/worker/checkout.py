"""The commit on disk: git's command line, one commit deep.

Owns: how git is called (no prompts, no hooks, no user's settings, credentials only by helper), which fetch comes next.
Leaves to others: allowed URLs (`clone_url.py`), what an error means (`git_errors.py`).
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from raibid.contract import PIPELINE_FILE, Env
from raibid.model.job import JobSpec
from raibid.worker import steps
from raibid.worker.clone_url import checked_ref, checked_sha, checked_url
from raibid.worker.config import AgentConfig
from raibid.worker.errors import AgentError, InfrastructureError, JobFaultError, WorkspaceFullError
from raibid.worker.git_errors import GitFailure, GitFault, classify
from raibid.worker.stop import Stop

Checkout = Callable[[JobSpec, Path, AgentConfig, Stop], str]

_HELPER: Final = f"!{shlex.quote(sys.executable)} -m raibid.worker.git_credential"
_SETTINGS: Final = {
    "credential.helper": "",  # forget the system's helpers
    "core.hooksPath": "/dev/null",
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "protocol.http.allow": "always",
    "protocol.ssh.allow": "always",
    # Only the first request may be redirected (a renamed repository), and only to an allowed protocol.
    "http.followRedirects": "initial",
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "60",
    "submodule.recurse": "false",
    "advice.detachedHead": "false",
    "gc.auto": "0",
}
_PROXY: Final = tuple(
    name for base in ("http_proxy", "https_proxy", "no_proxy", "all_proxy") for name in (base, base.upper())
)
_PASSED: Final = ("PATH", "PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSH_AUTH_SOCK", *_PROXY)
_SAID_BYTES: Final = 64 * 1024
_LINK: Final = "120000"  # git's mode of a symbolic link
_FILE_BYTES: Final = 256 * 1024 + 1  # one more than a pipeline file may have: lint then says so


def checkout(spec: JobSpec, directory: Path, config: AgentConfig, stop: Stop) -> str:
    """Put the job's commit into an empty directory; returns its id.

    Without `spec.sha` that is what the ref points to now. A server that does not hand out single commits is asked
    for the whole ref instead.

    Raises:
        JobFaultError: repository, ref or commit are gone, or the URL is refused.
        InfrastructureError: network, forge, credentials, disk. InterruptedBuildError: stopped.
    """
    git = _Git(directory, config, stop)
    url = checked_url(spec.clone_url, allow_files=config.allow_file_repos)
    ref, sha = checked_ref(spec.ref), checked_sha(spec.sha)
    git("init", "--quiet", ".")
    if not sha:
        git("fetch", "--quiet", "--no-tags", "--depth=1", "--", url, ref)
        sha = "FETCH_HEAD"
    elif failure := git.attempt("fetch", "--quiet", "--no-tags", "--depth=1", "--", url, sha):
        if failure.fault is not GitFault.COMMIT_GONE:
            raise _error(failure)
        git("fetch", "--quiet", "--no-tags", "--", url, ref)
        if git.attempt("cat-file", "-e", f"{sha}^{{commit}}"):
            raise JobFaultError(f"{GitFault.COMMIT_GONE}: {sha[:12]} is not in {ref} any more (force-pushed?)")
    git("checkout", "--quiet", "--force", "--detach", sha)
    return git.output("rev-parse", "HEAD")


@dataclass(frozen=True)
class BaseFile:
    """The pipeline file of the branch that a pull request wants to go into."""

    branch: str
    commit: str  #: the branch's tip
    text: bytes | None  #: None: that commit has no such file


def base_file(spec: JobSpec, directory: Path, config: AgentConfig, stop: Stop) -> BaseFile:
    """Read it at the tip of `spec.base` in the base repository, into whose checkout one commit more is fetched.

    Raises:
        JobFaultError: that branch is not named, or gone; the file is a link. InfrastructureError and
        InterruptedBuildError as of `checkout`.
    """
    if not spec.base:
        raise JobFaultError(
            f"{spec.brought_by}: this job's record does not name the branch it wants to go into; push again"
        )
    git = _Git(directory, config, stop)
    ref = checked_ref(f"refs/heads/{spec.base}")
    url = checked_url(spec.clone_url, allow_files=config.allow_file_repos)
    if failure := git.attempt("fetch", "--quiet", "--no-tags", "--depth=1", "--", url, ref):
        if failure.fault is GitFault.REF_GONE:
            raise JobFaultError(f"base branch {spec.base} is gone: the pipeline of {spec.brought_by} is read there")
        raise _error(failure)
    commit = git.output("rev-parse", "FETCH_HEAD^{commit}")
    entry = git.output("ls-tree", commit, "--", PIPELINE_FILE)
    if not entry:
        return BaseFile(spec.base, commit, None)
    mode, _, blob = entry.partition("\t")[0].split(" ")
    if mode == _LINK:
        raise JobFaultError(f"{PIPELINE_FILE} of {spec.base} is a link: it is not followed for {spec.brought_by}")
    return BaseFile(spec.base, commit, git.content("cat-file", "blob", blob))


class _Git:
    """git in one directory."""

    def __init__(self, directory: Path, config: AgentConfig, stop: Stop) -> None:
        self._directory = directory
        self._config = config
        self._stop = stop
        settings = {**_SETTINGS, "protocol.file.allow": "always" if config.allow_file_repos else "never"}
        self._options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        agent = config.environment
        self._env = {name: agent[name] for name in _PASSED if name in agent} | {
            "HOME": str(directory.parent),  # no user's ~/.gitconfig, no ~/.netrc
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
            "LC_ALL": "C",  # messages are read by `git_errors`
        }
        if config.git_credentials_file:
            self._options += ["-c", f"credential.helper={_HELPER}"]
            self._env[Env.GIT_CREDENTIALS_FILE] = str(config.git_credentials_file)

    def __call__(self, *args: str) -> None:
        if failure := self.attempt(*args):
            raise _error(failure)

    def attempt(self, *args: str) -> GitFailure | None:
        """Run git; None when it succeeds."""
        exit_code, said = self._run(args)
        return classify(_text(said)) if exit_code else None

    def output(self, *args: str) -> str:
        """What git says, without the line end."""
        return _text(self.content(*args)).strip()

    def content(self, *args: str) -> bytes:
        """What git says, byte for byte; of more than a file may have the end."""
        exit_code, said = self._run(args, most=_FILE_BYTES)
        if exit_code:
            raise _error(classify(_text(said)))
        return said

    def _run(self, args: tuple[str, ...], *, most: int = _SAID_BYTES) -> tuple[int, bytes]:
        said = bytearray()

        def keep(data: bytes) -> None:
            said.extend(data)
            del said[:-most]

        command = steps.Command(
            argv=["git", *self._options, *args],
            cwd=self._directory,
            env=self._env,
            timeout=self._config.checkout_timeout,
            grace=self._config.grace,
        )
        ended = steps.run(command, keep, self._stop)
        self._stop.check()
        if ended.cause:
            raise InfrastructureError(f"git {args[0]} took longer than {self._config.checkout_timeout:g} s")
        return ended.exit_code, bytes(said)


def _text(said: bytes) -> str:
    return said.decode("utf-8", "replace")


def _error(failure: GitFailure) -> AgentError:
    if failure.fault is GitFault.DISK_FULL:
        return WorkspaceFullError(failure.reason)
    return InfrastructureError(failure.reason) if failure.fault.infrastructure else JobFaultError(failure.reason)
