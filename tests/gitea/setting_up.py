"""How the tests set up a Gitea: the passwords, the order, the call."""

from __future__ import annotations

import json

from components.gitea_bootstrap import order
from components.gitea_setup import Order, Result, set_up
from components.settings import load_stack
from tests.gitea.fake_gitea import FakeGitea

PASSWORDS = {
    "gitea/admin": "admin-sentinel",
    "gitea/flux": "flux-sentinel",
    "gitea/agent": "agent-sentinel",
    "gitea/status": "status-sentinel",
    "gitea/mirror": "mirror-sentinel",
    "gitea/rollback": "rollback-sentinel",
    "flux/receiver": "receiver-sentinel",
    "api/webhook": "webhook-sentinel",
}
SENTINELS = tuple(PASSWORDS.values())


def wanted(gitea: FakeGitea, **passwords: str) -> Order:
    known = {**PASSWORDS, **{name.replace("_", "/"): value for name, value in passwords.items()}}
    return Order.read(json.dumps(order(load_stack("dgx-spark"), gitea.url, known)))


def apply(gitea: FakeGitea, **passwords: str) -> Result:
    return set_up(wanted(gitea, **passwords), tries=2, pause=0)
