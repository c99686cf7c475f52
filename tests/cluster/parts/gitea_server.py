"""Gitea, run as the stack configures it: its own settings, administrator script and set-up command do the work.

Owns: what differs from the emitted pod (SQLite, address, no SSH), its start, calls and pushes to it.
Leaves to others: the settings (`components.gitea_config`), users and hooks (`components.gitea_setup`), who listens
to the hooks (`line.py`).
"""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from raibid.local.redis_server import free_port

from components.gitea import jwt_key
from components.gitea_api import Api, Login
from components.gitea_bootstrap import LABELS, order
from components.gitea_config import SECRET_DIRECTORY, SECRET_SETTINGS, environment
from components.manifest_tree import Derive
from components.scripts import script
from components.settings import Settings
from tests.cluster.errors import ClusterError
from tests.cluster.parts.developer import Developer
from tests.cluster.parts.process import Part, answers
from tests.cluster.tools.toolchain import static, tool

_LABELS: Final[Mapping[str, str]] = {
    "admin": "gitea/admin",
    "secret-key": "gitea/secret-key",
    "internal-token": "gitea/internal-token",
    "jwt": "gitea/jwt",
}
"""File of the Secret → label, without the database's: this one has none."""
_PATIENCE: Final = 120


class GiteaServerError(ClusterError):
    """A command around Gitea failed; the message is its stderr, which holds no secret."""


class Gitea(Part):
    """One Gitea at `address`, with the stack's administrator once it is entered; `set_up` makes the rest."""

    def __init__(self, directory: Path, settings: Settings, derive: Derive, *, address: str = "127.0.0.1") -> None:
        self._settings, self._derive = settings, derive
        self._port = free_port()
        self.address: Final = f"{address}:{self._port}"
        """Host and port, as they stand in clone URLs and in the agents' credentials."""
        self.url: Final = f"http://{self.address}"
        self._secrets = directory / "secrets"
        self._ini = directory / "custom" / "conf" / "app.ini"
        self._of_gitea = {
            "GITEA_WORK_DIR": str(directory),
            "GITEA_I_AM_BEING_UNSAFE_RUNNING_AS_ROOT": "true",
            "HOME": str(directory),
        }
        super().__init__(
            "gitea", directory, [tool("gitea"), "web"], ready=answers(f"{self.url}/api/healthz"), env=self._of_gitea
        )
        self.admin: Final = Api(self.url, self.login(settings.gitea.admin, "gitea/admin"), tries=4)

    def login(self, name: str, label: str) -> Login:
        """A user with the password that the stack's seed gives it."""
        return Login.model_validate({"name": name, "password": self._derive(label)})

    def start(self) -> Self:
        """Start it as its pod does: app.ini from the environment, then the administrator by the pod's own script.

        Raises:
            PartError: it ended, or did not get ready. GiteaServerError: the administrator could not be made.
        """
        self._write_secrets()
        self._ini.parent.mkdir(parents=True, exist_ok=True)
        self._ini.touch(mode=0o600)
        # What `environment-to-ini` of the image calls (Gitea 1.26, docker/rootless).
        self._run(
            [tool("gitea"), "--config", self._ini, "config", "edit-ini", "--in-place", "--apply-env"],
            env=self._environment(),
        )
        super().start()
        self._run(["/bin/sh", "-c", script("gitea_admin")], env=self._environment())
        return self

    def set_up(self, builds: str) -> list[str]:
        """`components gitea-setup`, with the stack's own order but for where pushes are told (`builds`).

        Returns what it changed; nothing the second time.
        """
        wanted = order(self._settings, self.url, {label: self._derive(label) for label in LABELS})
        wanted["builds"]["url"] = builds
        said = self._run([sys.executable, "-m", "components", "gitea-setup", "--json"], stdin=json.dumps(wanted))
        changed: list[str] = json.loads(said)["changed"]
        return changed

    def as_user(self, name: str, label: str) -> Developer:
        """A user that is there already, with the password that the stack's seed gives it."""
        return Developer(Api(self.url, self.login(name, label), tries=4), self.directory / "people" / name)

    def developer(self, name: str, *, owner: bool = False) -> Developer:
        """A new user with its account; an owner of the organisation may write to all of its repositories."""
        login = self.login(name, f"tests/{name}")
        new = {"username": name, "email": f"{name}@example.com", "must_change_password": False}
        self.admin.call("POST", "/admin/users", {**new, "password": login.password.get_secret_value()})
        if owner:
            teams = self.admin.call("GET", f"/orgs/{self._settings.gitea.organisation}/teams")
            owners = next(team["id"] for team in teams if team["name"] == "Owners")
            self.admin.call("PUT", f"/teams/{owners}/members/{name}")
        return self.as_user(name, f"tests/{name}")

    def _environment(self) -> dict[str, str]:
        emitted = {item["name"]: item["value"] for item in environment(self._settings)}
        mine = {name: value.replace(SECRET_DIRECTORY, str(self._secrets)) for name, value in emitted.items()}
        kept = {name: value for name, value in mine.items() if not name.startswith("GITEA__database__")}
        return {**kept, **self._differences(kept), "RAIBID_GITEA": self.url, "RAIBID_PATIENCE": str(_PATIENCE)}

    def _differences(self, emitted: Mapping[str, str]) -> dict[str, str]:
        host = self.address.partition(":")[0]
        values = {
            "database__DB_TYPE": "sqlite3",
            "database__PATH": str(self.directory / "gitea.db"),
            "server__STATIC_ROOT_PATH": str(static("gitea")),
            "server__ROOT_URL": f"{self.url}/",
            "server__DOMAIN": host,
            "server__HTTP_ADDR": host,
            "server__HTTP_PORT": str(self._port),
            "server__START_SSH_SERVER": "false",
            "server__DISABLE_SSH": "true",
        }
        if ipaddress.ip_address(host).is_loopback:
            # The stack's own list does not let a hook reach loopback, where a machine without a bridge has it.
            for section in ("security", "webhook"):
                name = f"{section}__ALLOWED_HOST_LIST"
                values[name] = f"{emitted[f'GITEA__{name}']},loopback"
        return {f"GITEA__{name}": value for name, value in values.items()}

    def _write_secrets(self) -> None:
        self._secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, label in _LABELS.items():
            file = self._secrets / name
            file.touch(mode=0o600)
            file.write_text(jwt_key(self._derive(label)) if name == "jwt" else self._derive(label))
        assert set(SECRET_SETTINGS.values()) <= {*_LABELS, "database"}

    def _run(self, command: list[str | Path], *, env: Mapping[str, str] | None = None, stdin: str = "") -> str:
        path = f"{tool('gitea').parent}:{os.environ['PATH']}"
        done = subprocess.run(
            [str(part) for part in command],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE + 60,
            env={**os.environ, **self._of_gitea, **(env or {}), "PATH": path} if env else None,
        )
        if done.returncode:
            raise GiteaServerError(f"{Path(str(command[0])).name}: {done.stderr.strip()[-2000:]}")
        return done.stdout
