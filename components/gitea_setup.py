"""What has to be in Gitea for Flux, builds and mirrors: organisations, users, repository, protection, hooks.

Owns: the calls, in an order in which each may run again: look first, create what is missing, correct what differs.
Leaves to others: HTTP (`gitea_api`), Gitea itself (`gitea`), its administrator (`scripts/gitea_admin.sh`), what
is wanted (`gitea_bootstrap`), what is pushed (`flux_repo`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from pydantic import SecretStr

from components.gitea_api import Api, GiteaError, Login
from components.orders import read_order
from components.settings import Model

OWNERS: Final = "Owners"
"""The team that every organisation has (Gitea 1.26, models/organization/team.go)."""
AGENTS: Final = "ci-agents"
REPORTERS: Final = "ci-reporters"

TEAMS: Final[Mapping[str, Mapping[str, str]]] = {
    AGENTS: {"repo.code": "read"},
    # Gitea takes a commit status, and the wish to sync a mirror, only of who may write code, and a comment of who may
    # read what it is about (routers/api/v1: api.go, repo/issue_comment.go). It offers no less: branches are kept by
    # their protection, and nobody pushes to a mirror.
    REPORTERS: {"repo.code": "write", "repo.pulls": "read"},
}
"""What the members of a team may do in every repository of its organisation, those to come too, and nothing else."""

PUSHES: Final = ("push",)
BUILDS: Final = ("push", "pull_request_only", "pull_request_sync", "pull_request_review")
"""Opened, closed, pushed to, reviewed: `pull_request` alone would also tell of labels and comments."""
_ANSWERED: Final = {"pull_request_only": "pull_request"}
"""Asked for by one name, answered by another (Gitea 1.26, routers/api/v1/utils/hook.go)."""


class Hook(Model):
    """Somebody who is told of pushes."""

    url: SecretStr
    """Secret: the path of Flux's receiver is what keeps strangers out."""
    secret: SecretStr


class Order(Model):
    """What is wanted; it arrives as JSON on stdin."""

    url: str
    admin: Login
    flux: Login
    agent: Login
    """Clones what is built: reads all repositories of the organisation."""
    status: Login
    """Reports on commits and pull requests: raibid-api."""
    mirror: Login
    """Makes mirrors: owns the organisations `mirrors`, and is nobody in all others."""
    rollback: Login | None = None
    """Pushes reverts to the repository, opens issues and pull requests there: raibid-rollback. None: nobody does."""
    organisation: str
    mirrors: tuple[str, ...]
    """Organisations that mirrors are in."""
    repository: str
    branch: str = "main"
    domain: str = "raibid.internal"
    hook: Hook | None = None
    """Flux's receiver, told of pushes to the repository; None: it looks for itself."""
    builds: Hook
    """raibid-api, told of pushes and pull requests of any repository of the organisations."""

    @classmethod
    def read(cls, text: str) -> Order:
        """The order in `text`.

        Raises:
            OrderError: it is not one.
        """
        return read_order(cls, text, "components/gitea_bootstrap.py")


@dataclass(frozen=True)
class Result:
    """What is there now."""

    repository: str
    """Its clone URL, as Gitea's ROOT_URL has it."""
    changed: tuple[str, ...]
    """What was created or corrected, in order; empty when everything was as wanted."""

    def as_json(self) -> dict[str, Any]:
        """For stdout."""
        return {"repository": self.repository, "changed": list(self.changed)}


def set_up(order: Order, *, tries: int = 8, pause: float = 0.5) -> Result:
    """Make Gitea as `order` wants it; a second run changes nothing.

    Raises:
        GiteaError: Gitea does not answer or refuses; what was done before stays, the next run goes on from there.
    """
    setup = _Setup(order, Api(order.url.rstrip("/"), order.admin, tries, pause))
    with setup.api.session:
        setup.administrator()
        setup.organisation(order.organisation)
        for login in (order.flux, order.agent, order.status, order.mirror, order.rollback):
            if login:
                setup.user(login)
        clone = setup.repository()
        setup.collaborator(order.flux, "read")
        if order.rollback:
            setup.collaborator(order.rollback, "write")
        setup.protection()
        setup.hook()
        for name in order.mirrors:
            setup.organisation(name)
            setup.owner(name, order.mirror)
        for name in (order.organisation, *order.mirrors):
            setup.team(name, AGENTS, order.agent)
            setup.team(name, REPORTERS, order.status)
            setup.builds(name)
    return Result(clone, tuple(setup.changed))


@dataclass
class _Setup:
    order: Order
    api: Api
    changed: list[str] = field(default_factory=list)

    @property
    def _home(self) -> str:
        return f"/repos/{quote(self.order.organisation)}/{quote(self.order.repository)}"

    def administrator(self) -> None:
        if not self.api.call("GET", "/user").get("is_admin"):
            raise GiteaError(f"{self.order.url}: {self.order.admin.name} is no administrator")

    def organisation(self, name: str) -> None:
        if self.api.call("GET", _organisation(name), none=True) is None:
            self.api.call("POST", "/orgs", {"username": name, "visibility": "private"})
            self.changed.append(f"organisation {name}")

    def user(self, user: Login) -> None:
        """A restricted user: it sees what it is given, and nothing for being logged in."""
        password = user.password.get_secret_value()
        if self.api.call("GET", f"/users/{quote(user.name)}", none=True) is None:
            new = {"username": user.name, "email": f"{user.name}@{self.order.domain}", "password": password}
            self.api.call("POST", "/admin/users", {**new, "must_change_password": False, "restricted": True})
            self.changed.append(f"user {user.name}")
        elif not Api(self.api.url, user, self.api.tries, self.api.pause).accepts():
            change = {"login_name": user.name, "source_id": 0, "password": password, "must_change_password": False}
            self.api.call("PATCH", f"/admin/users/{quote(user.name)}", change)
            self.changed.append(f"password of {user.name}")

    def repository(self) -> str:
        there = self.api.call("GET", self._home, none=True)
        if there is None:
            new = {"name": self.order.repository, "private": True, "default_branch": self.order.branch}
            there = self.api.call(
                "POST", f"{_organisation(self.order.organisation)}/repos", {**new, "auto_init": False}
            )
            self.changed.append(f"repository {there['full_name']}")
        return str(there["clone_url"])

    def collaborator(self, user: Login, permission: str) -> None:
        """What a user may do in the fleet's repository, and in no other."""
        name = quote(user.name)
        there = self.api.call("GET", f"{self._home}/collaborators/{name}/permission", none=True)
        if there is None or there["permission"] != permission:
            self.api.call("PUT", f"{self._home}/collaborators/{name}", {"permission": permission})
            self.changed.append(f"{permission} access of {user.name}")

    def owner(self, organisation: str, member: Login) -> None:
        """`POST /repos/migrate` asks for no less (Gitea 1.26, routers/api/v1/repo/migrate.go): a team that may make
        repositories is refused there.
        """
        owners = next(team for team in self._teams(organisation) if team["name"] == OWNERS)
        self._member(organisation, owners, member)

    def team(self, organisation: str, name: str, member: Login) -> None:
        """A team of `TEAMS` with its one member."""
        # With units of its own a team's `permission` is answered as "none"; but without it a PATCH skips the next key.
        wanted = {"includes_all_repositories": True, "can_create_org_repo": False, "units_map": dict(TEAMS[name])}
        team = next((team for team in self._teams(organisation) if team["name"] == name), None)
        if team is None:
            new = {"name": name, "permission": "read", **wanted}
            team = self.api.call("POST", f"{_organisation(organisation)}/teams", new)
            self.changed.append(f"team {organisation}/{name}")
        elif not _has(team, wanted):
            self.api.call("PATCH", f"/teams/{team['id']}", {"name": name, "permission": "read", **wanted})
            self.changed.append(f"team {organisation}/{name} corrected")
        self._member(organisation, team, member)

    def _teams(self, organisation: str) -> Sequence[Mapping[str, Any]]:
        teams: Sequence[Mapping[str, Any]] = self.api.call("GET", f"{_organisation(organisation)}/teams?limit=50")
        return teams

    def _member(self, organisation: str, team: Mapping[str, Any], member: Login) -> None:
        membership = f"/teams/{team['id']}/members/{quote(member.name)}"
        if self.api.call("GET", membership, none=True) is None:
            self.api.call("PUT", membership)
            self.changed.append(f"{member.name} in team {organisation}/{team['name']}")

    def protection(self) -> None:
        """Only the administrator pushes, and who takes bad commits back; all others come with a pull request, which an
        owner of the organisation merges: who writes code could merge their own. Nobody force-pushes, ever."""
        wanted = {
            "enable_push": True,
            "enable_push_whitelist": True,
            "push_whitelist_usernames": [login.name for login in (self.order.admin, self.order.rollback) if login],
            "enable_force_push": False,
            "enable_merge_whitelist": True,
            "merge_whitelist_usernames": [self.order.admin.name],
            "merge_whitelist_teams": [OWNERS],
        }
        rules = f"{self._home}/branch_protections"
        there = self.api.call("GET", f"{rules}/{quote(self.order.branch, safe='')}", none=True)
        if there is None:
            self.api.call("POST", rules, {"rule_name": self.order.branch, **wanted})
        elif any(_unordered(there.get(key)) != _unordered(value) for key, value in wanted.items()):
            self.api.call("PATCH", f"{rules}/{quote(self.order.branch, safe='')}", wanted)
        else:
            return
        self.changed.append(f"protection of {self.order.branch}")

    def hook(self) -> None:
        """One hook of the repository for Flux's receiver."""
        if self.order.hook is not None:
            self._one_hook("hook", self._home, self.order.hook, PUSHES, self.order.branch, _receiver)

    def builds(self, organisation: str) -> None:
        """One hook of the organisation for raibid-api: a new repository needs none of its own."""
        called, home = f"hook of builds of {organisation}", _organisation(organisation)
        self._one_hook(called, home, self.order.builds, BUILDS, "*", str)

    def _one_hook(
        self, called: str, home: str, hook: Hook, events: Sequence[str], branches: str, whose: Callable[[str], str]
    ) -> None:
        """One push, one call: Gitea makes a second hook of a second request, so the list comes first.

        Two addresses that are equal by `whose` are one listener. A hook's secret is in no answer, and PATCH leaves it
        as it is (Gitea 1.26, routers/api/v1/utils/hook.go): so the name says which one it has, and another one makes
        a new hook before the old one goes.
        """
        url, secret = hook.url.get_secret_value(), hook.secret.get_secret_value()
        config = {"url": url, "content_type": "json"}
        wanted = {"name": _hook_name(secret), "branch_filter": branches, "active": True}
        asked = {**wanted, "events": list(events)}
        hooks = self.api.call("GET", f"{home}/hooks?limit=50")
        there = [old for old in hooks if whose(old["config"].get("url", "")) == whose(url)]
        right = [old for old in there if old.get("name") == wanted["name"]]
        if not right:
            new = {"type": "gitea", "config": {**config, "secret": secret}, **asked}
            self.api.call("POST", f"{home}/hooks", new)
            self.changed.append(f"{called} replaced" if there else called)
        elif not (_has(right[0], wanted) and _has(right[0]["config"], config) and _told(right[0]) == _named(events)):
            self.api.call("PATCH", f"{home}/hooks/{right[0]['id']}", {"config": config, **asked})
            self.changed.append(f"{called} corrected")
        for old in there:
            if old not in right[:1]:
                self.api.call("DELETE", f"{home}/hooks/{old['id']}")
                self.changed += [f"superfluous {called} removed"] if right else []


def _unordered(value: Any) -> Any:
    """Gitea answers a list of names in an order of its own."""
    return sorted(value) if isinstance(value, list) else value


def _organisation(name: str) -> str:
    return f"/orgs/{quote(name)}"


def _hook_name(secret: str) -> str:
    """A name that changes with the secret and does not tell it: of 256 random bits, 48 of their digest."""
    return f"raibid {hashlib.sha256(f'hook {secret}'.encode()).hexdigest()[:12]}"


def _has(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(found.get(key) == value for key, value in wanted.items())


def _told(hook: Mapping[str, Any]) -> frozenset[str]:
    """The events of a hook; Gitea answers them in any order."""
    return frozenset(hook.get("events") or ())


def _named(events: Sequence[str]) -> frozenset[str]:
    """Events as Gitea answers them."""
    return frozenset(_ANSWERED.get(event, event) for event in events)


def _receiver(url: str) -> str:
    """Without the last part, which follows the receiver's token: with another token it is still the same receiver."""
    return url.rpartition("/")[0]
