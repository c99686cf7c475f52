"""What has to be in Gitea before Flux can read from it: organisation, Flux's user, repository, protection, hook.

Owns: the calls, in an order in which each may run again: look first, create what is missing, correct what differs.
Leaves to others: Gitea itself (`gitea`), its administrator (`scripts/gitea_admin.sh`), what is pushed (`flux_repo`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import requests
from pydantic import SecretStr, ValidationError
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from components.settings import Model

_TIMEOUT: Final = (5.0, 30.0)
"""Seconds to connect, seconds without a byte."""
_IDEMPOTENT: Final = frozenset({"GET", "PUT", "PATCH", "DELETE"})


class GiteaError(Exception):
    """Gitea cannot be set up. `hint` says what to do; no message holds a password or a body that was sent."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Login(Model):
    """A user of Gitea and its password."""

    name: str
    password: SecretStr


class Hook(Model):
    """Flux's receiver, told of every push."""

    url: SecretStr
    """Secret: its path is what keeps strangers out."""
    secret: SecretStr


class Order(Model):
    """What is wanted; it arrives as JSON on stdin."""

    url: str
    admin: Login
    flux: Login
    organisation: str
    repository: str
    branch: str = "main"
    domain: str = "raibid.internal"
    hook: Hook | None = None

    @classmethod
    def read(cls, text: str) -> Order:
        """The order in `text`.

        Raises:
            GiteaError: it is not one.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "stdin"
            raise GiteaError(
                f"{where}: {first['msg']}", "stdin takes what components/gitea_bootstrap.py sends"
            ) from None


@dataclass
class Api:
    """Gitea's API as one user: the only place that speaks HTTP."""

    url: str
    login: Login
    tries: int = 8
    pause: float = 0.5
    """Seconds, doubled from try to try, with as much jitter; 8 tries wait about two minutes at most."""
    session: requests.Session = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # A POST is never sent twice: Gitea would make two hooks of it. What could not connect was not sent.
        retry = Retry(
            total=self.tries,
            connect=self.tries,
            read=self.tries,
            allowed_methods=_IDEMPOTENT,
            status_forcelist=(429, 502, 503, 504),
            backoff_factor=self.pause,
            backoff_jitter=self.pause,
            backoff_max=30,
            raise_on_status=False,
            respect_retry_after_header=True,
        )
        self.session = requests.Session()
        # The machine's ~/.netrc must not speak for the stack's administrator.
        self.session.trust_env = False
        self.session.auth = (self.login.name, self.login.password.get_secret_value())
        self.session.mount(self.url, HTTPAdapter(max_retries=retry))

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, none: bool = False) -> Any:
        """The answer's JSON; with `none`, None where there is no such thing.

        Raises:
            GiteaError: no answer, or a refusal.
        """
        try:
            answer = self.session.request(
                method, f"{self.url}/api/v1{path}", json=body, timeout=_TIMEOUT, allow_redirects=False
            )
        except requests.RequestException as error:
            # The exception's own text repeats the address and may repeat more.
            raise GiteaError(
                f"{self.url}: no answer to {method} {path} ({type(error).__name__})",
                "is Gitea up, and does its name resolve on this machine?",
            ) from None
        if none and answer.status_code == 404:
            return None
        if answer.status_code >= 300:
            raise self._refusal(method, path, answer)
        return answer.json() if answer.content else None

    def accepts(self) -> bool:
        """Whether this user may log in."""
        try:
            self.call("GET", "/user")
        except _LoginError:
            return False
        return True

    def _refusal(self, method: str, path: str, answer: requests.Response) -> GiteaError:
        if answer.status_code == 401:
            return _LoginError(
                f"{self.url}: {self.login.name} may not log in",
                "the password follows the stack's seed (docs/host.md, Gitea)",
            )
        return GiteaError(f"{self.url}: {method} {path}: HTTP {answer.status_code}: {_reason(answer)}")


class _LoginError(GiteaError):
    """Wrong name or password."""


def _reason(answer: requests.Response) -> str:
    try:
        said = answer.json()
    except requests.JSONDecodeError:
        return answer.reason
    return str(said.get("message", answer.reason))[:200] if isinstance(said, dict) else answer.reason


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
        setup.organisation()
        setup.flux_user(tries, pause)
        clone = setup.repository()
        setup.reader()
        setup.protection()
        setup.hook()
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

    def organisation(self) -> None:
        name = self.order.organisation
        if self.api.call("GET", f"/orgs/{quote(name)}", none=True) is None:
            self.api.call("POST", "/orgs", {"username": name, "visibility": "private"})
            self.changed.append(f"organisation {name}")

    def flux_user(self, tries: int, pause: float) -> None:
        user = self.order.flux
        password = user.password.get_secret_value()
        if self.api.call("GET", f"/users/{quote(user.name)}", none=True) is None:
            new = {"username": user.name, "email": f"{user.name}@{self.order.domain}", "password": password}
            self.api.call("POST", "/admin/users", {**new, "must_change_password": False, "restricted": True})
            self.changed.append(f"user {user.name}")
        elif not Api(self.api.url, user, tries, pause).accepts():
            change = {"login_name": user.name, "source_id": 0, "password": password, "must_change_password": False}
            self.api.call("PATCH", f"/admin/users/{quote(user.name)}", change)
            self.changed.append(f"password of {user.name}")

    def repository(self) -> str:
        there = self.api.call("GET", self._home, none=True)
        if there is None:
            new = {"name": self.order.repository, "private": True, "default_branch": self.order.branch}
            there = self.api.call("POST", f"/orgs/{quote(self.order.organisation)}/repos", {**new, "auto_init": False})
            self.changed.append(f"repository {there['full_name']}")
        return str(there["clone_url"])

    def reader(self) -> None:
        name = quote(self.order.flux.name)
        there = self.api.call("GET", f"{self._home}/collaborators/{name}/permission", none=True)
        if there is None or there["permission"] != "read":
            self.api.call("PUT", f"{self._home}/collaborators/{name}", {"permission": "read"})
            self.changed.append(f"read access of {self.order.flux.name}")

    def protection(self) -> None:
        """Only the administrator pushes; everybody else comes with a pull request. Nobody force-pushes, ever."""
        wanted = {
            "enable_push": True,
            "enable_push_whitelist": True,
            "push_whitelist_usernames": [self.order.admin.name],
            "enable_force_push": False,
        }
        rules = f"{self._home}/branch_protections"
        there = self.api.call("GET", f"{rules}/{quote(self.order.branch, safe='')}", none=True)
        if there is None:
            self.api.call("POST", rules, {"rule_name": self.order.branch, **wanted})
        elif any(there.get(key) != value for key, value in wanted.items()):
            self.api.call("PATCH", f"{rules}/{quote(self.order.branch, safe='')}", wanted)
        else:
            return
        self.changed.append(f"protection of {self.order.branch}")

    def hook(self) -> None:
        """One push, one call to the receiver: Gitea makes a second hook of a second request, so the list comes first.

        A hook's secret is in no answer, so it is sent again each time; a rotated one would otherwise go unseen.
        """
        if self.order.hook is None:
            return
        url = self.order.hook.url.get_secret_value()
        config = {"url": url, "content_type": "json", "secret": self.order.hook.secret.get_secret_value()}
        wanted = {"config": config, "events": ["push"], "branch_filter": self.order.branch, "active": True}
        # The last part of the address follows the receiver's token: with another one it is still the same receiver.
        there = [hook for hook in self._hooks() if _receiver(hook["config"].get("url", "")) == _receiver(url)]
        if not there:
            self.api.call("POST", f"{self._home}/hooks", {"type": "gitea", **wanted})
            self.changed.append("hook")
            return
        first, *doubles = sorted(there, key=lambda hook: hook["config"]["url"] != url)
        self.api.call("PATCH", f"{self._home}/hooks/{first['id']}", wanted)
        plain = {**wanted, "config": url}
        if {**{key: first.get(key) for key in wanted}, "config": first["config"]["url"]} != plain:
            self.changed.append("hook corrected")
        for double in doubles:
            self.api.call("DELETE", f"{self._home}/hooks/{double['id']}")
            self.changed.append("superfluous hook removed")

    def _hooks(self) -> list[dict[str, Any]]:
        return list(self.api.call("GET", f"{self._home}/hooks?limit=50"))


def _receiver(url: str) -> str:
    return url.rpartition("/")[0]
