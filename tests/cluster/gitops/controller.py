"""The rollback controller as its pod runs it: a process with the emitted account's rights and a login of its own.

Owns: its command line, its credentials, what it tells, the records that people find.
Leaves to others: the fleet (`site.py`), the alerts that wake it (`alerts.py`).
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from raibid.contract import Env
from raibid.local.redis_server import free_port

from components import rollback
from tests.cluster.gitops.site import ALERTS_SECRET, RAIBID, REPOSITORY, Site
from tests.cluster.parts.process import Part, answers
from tests.cluster.tree.api import Manifest

ISSUES: Final = f"/repos/{REPOSITORY}/issues?state=all&type=issues"


class Controller(Part):
    """One controller of a site; alerts go to it from its start."""

    def __init__(self, site: Site, directory: Path) -> None:
        directory.mkdir(parents=True, mode=0o700)
        self._site, port = site, free_port()
        self.url: Final = f"http://127.0.0.1:{port}"
        token = _private(directory / "token", ALERTS_SECRET)
        super().__init__(
            rollback.NAME,
            directory,
            [RAIBID, *_arguments(site, port), "--json"],
            ready=answers(f"{self.url}/readyz"),
            env={
                **site.environment,
                "KUBECONFIG": str(site.plane.kubeconfig(rollback.NAME, token=_account(site))),
                Env.FORGE_CREDENTIALS_FILE: str(_private(directory / "credentials", _login(site))),
                Env.ROLLBACK_TOKEN_FILE: str(token),
            },
        )
        site.alerts.target = f"{self.url}/flux"

    def told(self, kind: str, about: str = "") -> list[str]:
        """Messages of a kind that it has told about a Kustomization, or about anything."""
        lines = self.log.read_text().splitlines() if self.log.exists() else ()
        told: list[dict[str, str]] = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        wanted = f"flux-system/{about}" if about else ""
        return [one["message"] for one in told if one["kind"] == kind and one["about"].endswith(wanted)]

    def issues(self, bad: str) -> list[dict[str, Any]]:
        """Issues about a failing commit."""
        return [one for one in self._site.desk.owner.api.call("GET", ISSUES) if bad in one["body"]]

    def status(self, commit: str) -> str:
        """What it says at a commit."""
        found = self._site.desk.owner.statuses(REPOSITORY, commit)
        return next((one.state for one in found if one.context.startswith(rollback.NAME)), "")


def _emitted(site: Site, *kinds: str) -> list[Manifest]:
    (found,) = rollback.manifests(site.settings).directories.values()
    return [item for item in found if isinstance(item, dict) and item["kind"] in kinds]


def _arguments(site: Site, port: int) -> list[str]:
    """Its pod's own, but for where it listens."""
    (deployment,) = _emitted(site, "Deployment")
    emitted: list[str] = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    here = {"--host": "127.0.0.1", "--port": str(port)}
    return [here.get(before, argument) for before, argument in pairwise(["", *emitted])]


def _account(site: Site) -> str:
    """A token of the account that the stack gives it, with the rights that the stack gives it."""
    rights = _emitted(site, *_RIGHTS)
    namespaces = {item["metadata"].get("namespace", rollback.NAMESPACE) for item in rights}
    site.plane.apply(*(_namespace(name) for name in sorted(namespaces)), *rights)
    return site.plane.kubectl("-n", rollback.NAMESPACE, "create", "token", rollback.NAME).strip()


def _namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


_RIGHTS: Final = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")


def _login(site: Site) -> str:
    """A line for the forge: a user that may write to this one repository."""
    ada = site.desk.owner.api
    if not any(user["login"] == rollback.USER_NAME for user in site.gitea.admin.call("GET", "/admin/users")):
        site.gitea.developer(rollback.USER_NAME)
        path = f"/repos/{REPOSITORY}/collaborators/{rollback.USER_NAME}"
        ada.call("PUT", path, {"permission": "write"})
    login = site.gitea.login(rollback.USER_NAME, f"tests/{rollback.USER_NAME}")
    return f"http://{login.name}:{login.password.get_secret_value()}@{site.gitea.address}\n"


def _private(file: Path, text: str) -> Path:
    file.touch(mode=0o600)
    file.write_text(text)
    return file
