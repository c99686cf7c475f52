"""The token that Flux reports commit statuses with: issued by Gitea, kept as a live Secret of Flux's namespace.

A user of its own: Gitea takes statuses only from who may write to the repository, and Flux's reader must not. The
protected branch takes no push from it either.

Owns: that user, its access, its token; the Secret.
Leaves to others: who reads the Secret (`notifications`), the repository and its protection (`gitea_setup`).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import pulumi_kubernetes as k8s
from pulumi import ComponentResource, Input, Output, Resource, ResourceOptions
from pulumi_command import local
from pydantic import SecretStr

from components.flux_objects import NAMESPACE, WATCHED
from components.gitea import ADMIN_LABEL
from components.gitea_api import Api, Login
from components.notifications import GITEA_SECRET
from components.settings import Model, Settings

USER: Final = "flux-status"
USER_LABEL: Final = "notifications/gitea"
LABELS: Final = (ADMIN_LABEL, USER_LABEL)
"""Labels of the passwords that `CommitStatusArgs` wants."""
_TOKEN: Final = "commit-status"  # noqa: S105  (a name)


class Order(Model):
    """Whose token for which repository; it arrives as JSON on stdin."""

    url: str
    admin: Login
    user: Login
    organisation: str
    repository: str
    domain: str


def issue(order: Order, *, tries: int = 8, pause: float = 0.5) -> SecretStr:
    """A new token with `write:repository` in place of the last one: Gitea tells a token's value only once.

    Raises:
        GiteaError: Gitea does not answer or refuses; the next run goes on from there.
    """
    url, name = order.url.rstrip("/"), quote(order.user.name)
    home = f"/repos/{quote(order.organisation)}/{quote(order.repository)}/collaborators/{name}"
    admin, user = (Api(url, login, tries, pause) for login in (order.admin, order.user))
    with admin.session, user.session:
        if admin.call("GET", f"/users/{name}", none=True) is None:
            admin.call("POST", "/admin/users", _new_user(order))
        elif not user.accepts():
            admin.call(
                "PATCH", f"/admin/users/{name}", {"login_name": order.user.name, "source_id": 0, **_login(order)}
            )
        admin.call("PUT", home, {"permission": "write"})
        user.call("DELETE", f"/users/{name}/tokens/{_TOKEN}", none=True)
        made = user.call("POST", f"/users/{name}/tokens", {"name": _TOKEN, "scopes": ["write:repository"]})
    return SecretStr(made["sha1"])


def _login(order: Order) -> dict[str, Any]:
    return {"password": order.user.password.get_secret_value(), "must_change_password": False}


def _new_user(order: Order) -> dict[str, Any]:
    email = f"{order.user.name}@{order.domain}"
    return {"username": order.user.name, "email": email, "restricted": True, **_login(order)}


def order(settings: Settings, api: str, passwords: Mapping[str, str]) -> dict[str, Any]:
    """What `Order` reads; holds passwords."""
    return {
        "url": api,
        "admin": {"name": settings.gitea.admin, "password": passwords[ADMIN_LABEL]},
        "user": {"name": USER, "password": passwords[USER_LABEL]},
        "organisation": settings.gitea.organisation,
        "repository": settings.fleet.name,
        "domain": settings.domain,
    }


@dataclass(frozen=True, kw_only=True)
class CommitStatusArgs:
    """What the component needs."""

    settings: Settings
    api: Input[str]
    """Where this machine reaches Gitea (`Gitea.api`)."""
    passwords: Mapping[str, Input[str]]
    """By label, all of `LABELS`; secret."""
    after: Resource
    """The repository must be there (`GiteaSetup`)."""
    objects: ResourceOptions
    """Options of everything in the cluster."""
    program: str = "python3"
    """The interpreter that has this project's packages."""


class CommitStatus(ComponentResource):
    """A token per order: it is issued again when a password, the address or the repository changes."""

    def __init__(self, name: str, args: CommitStatusArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("raibid:components:CommitStatus", name, {}, opts)
        stdin: Output[str] = Output.all(args.api, dict(args.passwords)).apply(
            lambda known: json.dumps(order(args.settings, known[0], known[1]))
        )
        secret: Output[str] = Output.secret(stdin)
        call = local.Command(
            f"{name}-token",
            create=shlex.join([args.program, "-m", "components", "commit-status"]),
            stdin=secret,
            # An error would otherwise show what was printed before it.
            logging=local.Logging.NONE,
            add_previous_output_in_env=False,
            opts=ResourceOptions(parent=self, depends_on=[args.after], additional_secret_outputs=["stdout"]),
        )
        token: Output[str] = Output.secret(call.stdout)
        k8s.core.v1.Secret(
            f"{name}-secret",
            metadata={"name": GITEA_SECRET, "namespace": NAMESPACE, "labels": dict(WATCHED)},
            string_data={"token": token},
            opts=ResourceOptions.merge(args.objects, ResourceOptions(parent=self)),
        )
        self.register_outputs({"user": USER})
