"""How the fake GitHub finds an endpoint, and what every endpoint is given.

Owns: the table of endpoints, permissions, the shapes of refusals and of lists.
Leaves to others: the endpoints themselves (`github_fake_routes.py`, `github_fake_hooks.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tests.forge.github_fake_state import Repository

if TYPE_CHECKING:
    from tests.forge.github_fake import FakeGithub

_SHAPES = {"repo": "[^/]+/[^/]+", "sides": ".+"}
_LEVELS = ("none", "read", "write", "admin")


class Refused(Exception):
    """What GitHub answers instead."""

    def __init__(self, status: int, message: str, errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.errors = status, message, errors

    def shown(self, docs: str) -> dict[str, Any]:
        body: dict[str, Any] = {"message": self.message, "documentation_url": docs, "status": str(self.status)}
        return {**body, "errors": self.errors} if self.errors else body


def invalid(resource: str, name: str, message: str) -> Refused:
    """422 as documented."""
    said = {"resource": resource, "code": "custom", "field": name, "message": message}
    return Refused(422, "Validation Failed", [said])


@dataclass
class Page:
    """A list that is answered in pages."""

    items: list[Any]
    most: int = 100
    shown: Callable[[list[Any], int], Any] = field(default=lambda items, _: items)


@dataclass
class Call:
    """A request to an endpoint."""

    github: FakeGithub
    who: str
    query: dict[str, str]
    body: dict[str, Any]
    names: dict[str, str]

    @property
    def repository(self) -> Repository:
        """The one in the path, if the asker may see it."""
        repository = self.github.repositories.get(self.names["repo"])
        if repository is None or not self.may(repository, "read"):
            raise Refused(404, "Not Found")
        return repository

    def level(self, repository: Repository, login: str) -> str:
        """What a user may do."""
        if login.startswith("app:"):
            return "write"
        owner = repository.full_name.partition("/")[0]
        if login == owner or self.github.organisations.get(owner, {}).get(login) == "admin":
            return "admin"
        given = repository.collaborators.get(login, "none")
        return "read" if given == "none" and not repository.private else given

    def may(self, repository: Repository, level: str) -> bool:
        """Whether the asker may."""
        return _LEVELS.index(self.level(repository, self.who)) >= _LEVELS.index(level)

    def visible(self, wanted: Callable[[Repository], bool]) -> Page:
        """Repositories that the asker may see."""
        every = [r for r in self.github.repositories.values() if wanted(r) and self.may(r, "read")]
        return Page([r.shown() for r in sorted(every, key=lambda r: r.full_name)])


Answer = tuple[int, Any]
_ROUTES: list[tuple[str, re.Pattern[str], Callable[[Call], Answer]]] = []


def at(method: str, path: str) -> Callable[[Callable[[Call], Answer]], Callable[[Call], Answer]]:
    """Register an endpoint; `{repo}` is owner/name, `{sides}` the rest, every other name one segment."""
    pattern = re.sub(r"\{(\w+)\}", lambda m: f"(?P<{m[1]}>{_SHAPES.get(m[1], '[^/]+')})", path)

    def register(answer: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        _ROUTES.append((method, re.compile(pattern), answer))
        return answer

    return register


def route(
    github: FakeGithub, who: str, method: str, path: str, query: dict[str, str], body: dict[str, Any]
) -> tuple[int, Any]:
    """The endpoint's answer. Raises Refused."""
    for registered, pattern, answer in _ROUTES:
        if registered == method and (match := pattern.fullmatch(path)):
            names = {name: unquote(value) for name, value in match.groupdict().items()}
            return answer(Call(github, who, query, body, names))
    raise Refused(404, "Not Found")
