"""Gitea's app.ini as environment variables (GITEA__section__KEY), as its image turns them into the file.

Owns: every setting of Gitea that is not its default, and why.
Leaves to others: the pod (`gitea`), what is in the Secret (`gitea`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from components import postgres
from components.manifest_tree import Manifest
from components.settings import Settings

HTTP_PORT: Final = 3000
SSH_PORT: Final = 2222
INSIDE: Final = f"http://gitea-http.infrastructure.svc.cluster.local:{HTTP_PORT}"
"""Where pods reach it without asking the host's name."""
SECRET_DIRECTORY: Final = "/etc/raibid/secret"  # noqa: S105  (a path)

# Setting → key of the Secret. Kept out of app.ini's own first start: values that Gitea makes up itself would be lost
# with the pod, and a restored database could then not be decrypted.
SECRET_SETTINGS: Final[Mapping[str, str]] = {
    "database__PASSWD": "database",
    "security__SECRET_KEY": "secret-key",
    "security__INTERNAL_TOKEN": "internal-token",
    "oauth2__JWT_SECRET": "jwt",
    "server__LFS_JWT_SECRET": "jwt",
}


def host(settings: Settings) -> str:
    """The name people, containerd and webhooks use."""
    return f"gitea.{settings.domain}"


def address(settings: Settings) -> str:
    """Host and port, as they stand in clone URLs and names of images."""
    return f"{host(settings)}:{HTTP_PORT}"


def root_url(settings: Settings) -> str:
    """Below it are clone URLs and the registry's token realm: it must resolve on the hosts too."""
    return f"http://{address(settings)}/"


def plain(settings: Settings) -> dict[str, str]:
    """Settings that are no secret, as `section__KEY`."""
    # Without it Gitea answers 201 to a hook for a private address and then never delivers. 1.27 moved the key.
    hooks_may_reach = "private,external"
    return {
        "server__ROOT_URL": root_url(settings),
        "server__DOMAIN": host(settings),
        "server__HTTP_PORT": str(HTTP_PORT),
        "server__SSH_DOMAIN": host(settings),
        "server__SSH_PORT": str(SSH_PORT),
        "server__SSH_LISTEN_PORT": str(SSH_PORT),
        "server__START_SSH_SERVER": "true",
        "server__OFFLINE_MODE": "true",
        "server__LFS_START_SERVER": "true",
        "database__DB_TYPE": "postgres",
        "database__HOST": postgres.HOST,
        "database__NAME": "gitea",
        "database__USER": "gitea",
        # PASSWORD_HASH_ALGO is left alone: with one that Gitea does not know every login fails.
        "security__INSTALL_LOCK": "true",
        "security__ALLOWED_HOST_LIST": hooks_may_reach,
        "webhook__ALLOWED_HOST_LIST": hooks_may_reach,
        "service__DISABLE_REGISTRATION": "true",
        "service__DEFAULT_KEEP_EMAIL_PRIVATE": "true",
        "repository__DEFAULT_BRANCH": "main",
        "repository__DEFAULT_PRIVATE": "private",
        # No `migrations__ALLOWED_DOMAINS`: mirrors.yaml is what lists hosts, and a name on Gitea's list is let through
        # with a private address, too (services/migrations/migrate.go, `Init`). Gitea looks at addresses when a mirror
        # is made, and later no more (services/mirror/mirror_pull.go): a source that has changed its mind must not send
        # git elsewhere, and what the network policy does not let out goes nowhere (`gitea`).
        "git_0X2E_config__http_0X2E_followRedirects": "false",
        "packages__ENABLED": "true",
        # One replica: memory and its own disk do, no Redis of Gitea's own.
        "cache__ADAPTER": "memory",
        "session__PROVIDER": "db",
        # On disk, so that no push is forgotten; but Gitea asks such a queue only every 2 s (modules/queue/backoff.go).
        "queue__TYPE": "level",
        # Hooks to deliver are in the database too, and read from there at its start: nothing is lost in memory, and
        # push → webhook takes 1.2 s instead of 3.3 s (8 pushes each).
        "queue_0X2E_webhook_sender__TYPE": "channel",
        "log__MODE": "console",
        "metrics__ENABLED": "true",
        "mailer__ENABLED": "false",
    }


def environment(settings: Settings) -> list[Manifest]:
    """The container's variables; secrets as names of files."""
    values = {
        **{f"GITEA__{name}": value for name, value in plain(settings).items()},
        **{f"GITEA__{name}__FILE": f"{SECRET_DIRECTORY}/{key}" for name, key in SECRET_SETTINGS.items()},
        "RAIBID_ADMIN": settings.gitea.admin,
        "RAIBID_ADMIN_PASSWORD_FILE": f"{SECRET_DIRECTORY}/admin",
        "RAIBID_DOMAIN": settings.domain,
    }
    return [{"name": name, "value": value} for name, value in values.items()]
