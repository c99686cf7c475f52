"""What an administrator asks of Gitea: organisations, users, tokens, protected branches, files, pull requests.

Owns: the calls; each that makes something says whether it was there already.
Leaves to others: mirrors (`mirrors.py`), webhooks (`hooks.py`), the stack's first set-up: `components.gitea_setup` asks
some of the same in its own way, because `pulumi up` runs it and the stack imports nothing of the agent's.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from raibid.forge.errors import ForgeAnswerError, ForgeNotFoundError
from raibid.forge.session import Session


class Protection(msgspec.Struct, frozen=True, kw_only=True):
    """A rule for branches, as far as the pool sets one. Who is not named does not push or merge."""

    rule_name: str  #: a branch, or a glob
    enable_push: bool = True
    enable_push_whitelist: bool = True
    push_whitelist_usernames: Sequence[str] = ()
    enable_force_push: bool = False
    enable_status_check: bool = False
    status_check_contexts: Sequence[str] = ()
    required_approvals: int = 0


class _Protected(msgspec.Struct, frozen=True):
    """The same as Gitea answers it: an empty list is null."""

    enable_push: bool
    enable_push_whitelist: bool
    enable_force_push: bool
    enable_status_check: bool
    required_approvals: int
    push_whitelist_usernames: list[str] | None = None
    status_check_contexts: list[str] | None = None


class _Token(msgspec.Struct, frozen=True):
    sha1: str


class _Contents(msgspec.Struct, frozen=True):
    sha: str
    type: str
    content: str | None = None


class _Written(msgspec.Struct, frozen=True):
    commit: _Commit


class _Commit(msgspec.Struct, frozen=True):
    sha: str


class _Numbered(msgspec.Struct, frozen=True):
    number: int


class _Named(msgspec.Struct, frozen=True):
    id: int


@dataclass(frozen=True)
class File:
    """A file of a branch."""

    content: bytes
    sha: str
    """Of the blob: a write that names it fails with ForgeConflictError when the file has changed since."""


class GiteaAdmin:
    """Each method raises CallError; ForgeForbiddenError where our user is no administrator of what it is about."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def ensure_organisation(self, name: str, *, visibility: str = "private", description: str = "") -> bool:
        """An organisation; whether it was made now."""
        if self._there(f"/orgs/{_part(name)}"):
            return False
        self._session.do("POST", "/orgs", {"username": name, "visibility": visibility, "description": description})
        return True

    def ensure_user(self, name: str, *, email: str, password: str) -> bool:
        """A restricted user, who sees what it is given and nothing for being logged in; whether it was made now.

        The site's administrators may; a user that is there keeps its password.
        """
        if self._there(f"/users/{_part(name)}"):
            return False
        new = {"username": name, "email": email, "password": password, "must_change_password": False}
        self._session.do("POST", "/admin/users", {**new, "restricted": True})
        return True

    def create_token(self, user: str, name: str, scopes: Sequence[str]) -> str:
        """A token of our own user, by its password; Gitea tells it once, so one of that name is replaced."""
        tokens = f"/users/{_part(user)}/tokens"
        with suppress(ForgeNotFoundError):  # the usual case
            self._session.do("DELETE", f"{tokens}/{_part(name)}")
        return self._session.call("POST", tokens, _Token, {"name": name, "scopes": list(scopes)}).sha1

    def ensure_protection(self, repository: str, wanted: Protection) -> bool:
        """A rule for branches; whether anything was changed."""
        rules = f"{_home(repository)}/branch_protections"
        body = msgspec.to_builtins(wanted)
        try:
            there = self._session.get(f"{rules}/{_part(wanted.rule_name)}", _Protected)
        except ForgeNotFoundError:
            self._session.do("POST", rules, body)
            return True
        if all(_same(value, body[key]) for key, value in msgspec.to_builtins(there).items()):
            return False
        self._session.do("PATCH", f"{rules}/{_part(wanted.rule_name)}", body)
        return True

    def read_file(self, repository: str, path: str, *, branch: str = "") -> File:
        """A file of a branch, the default one if none is named.

        Raises:
            ForgeNotFoundError: no such file. ForgeAnswerError: it is no file, or too large to be told.
        """
        answer = self._session.get(_contents(repository, path, branch), _Contents)
        if answer.type != "file" or answer.content is None:
            raise ForgeAnswerError(f"{repository}: {path}: Gitea tells no content of this {answer.type}")
        return File(base64.b64decode(answer.content), answer.sha)

    def write_file(
        self, repository: str, path: str, content: bytes, *, message: str, branch: str = "", replaces: str = "",
        new_branch: str = "",
    ) -> str:  # fmt: skip
        """Write a file as one commit; the commit. `replaces`: the blob it replaces, empty for a new file.

        Raises:
            ForgeInvalidError: it is there already (without `replaces`), or another blob is.
        """
        body: dict[str, Any] = {"content": base64.b64encode(content).decode(), "message": message}
        body |= {k: v for k, v in {"branch": branch, "new_branch": new_branch, "sha": replaces}.items() if v}
        method = "PUT" if replaces else "POST"
        return self._session.call(method, _contents(repository, path, ""), _Written, body).commit.sha

    def create_pull(self, repository: str, *, head: str, base: str, title: str, body: str = "") -> int:
        """Open a pull request; its number.

        Raises:
            ForgeConflictError: one from that branch into that branch is open.
        """
        asked: Mapping[str, str] = {"head": head, "base": base, "title": title, "body": body}
        return self._session.call("POST", f"{_home(repository)}/pulls", _Numbered, asked).number

    def _there(self, path: str) -> bool:
        try:
            self._session.get(path, _Named)
        except ForgeNotFoundError:
            return False
        return True


def _same(there: object, wanted: object) -> bool:
    if isinstance(wanted, list | tuple):
        return sorted(there if isinstance(there, list) else ()) == sorted(wanted)
    return there == wanted


def _contents(repository: str, path: str, branch: str) -> str:
    where = f"{_home(repository)}/contents/{quote(path)}"
    return f"{where}?ref={_part(branch)}" if branch else where


def _home(repository: str) -> str:
    return f"/repos/{quote(repository)}"


def _part(name: str) -> str:
    return quote(name, safe="")
