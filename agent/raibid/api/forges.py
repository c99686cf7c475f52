"""The forges that the settings name, and how to speak to each.

Owns: name, as a job's spec has it → client.
Leaves to others: what they are asked and told, and when.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from raibid.api.settings import Settings
from raibid.forge.answers import AnswerMemory
from raibid.forge.forge import Forge
from raibid.forge.gitea import GiteaClient
from raibid.forge.github import App, GithubClient
from raibid.forge.rate import RateGate

Connect = Callable[[], AbstractContextManager[Forge]]
"""Opens no connection before the first call. Raises ForgeLoginError: no credentials for it."""


def forges_of(settings: Settings) -> dict[str, Connect]:
    """The forges that have an address and somebody to speak as."""
    credentials, app = settings.forge_credentials_file, settings.github_app_file
    forges: dict[str, Connect] = {}
    if settings.gitea_url and credentials:
        forges["gitea"] = partial(GiteaClient.connect, settings.gitea_url, credentials)
    if settings.github_url and (who := App(settings.github_url, app) if app else credentials):
        # One count of calls and one memory of answers for all its clients: GitHub counts per user, and a 304 is free.
        forges["github"] = partial(
            GithubClient.connect, settings.github_url, who, gate=RateGate(), memory=AnswerMemory()
        )
    return forges
