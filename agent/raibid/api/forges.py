"""The forges that the settings name, and how to speak to each.

Owns: name, as a job's spec has it → client; what all clients of one login share.
Leaves to others: what they are asked and told, and when.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from raibid.api.settings import Settings
from raibid.forge.answers import AnswerMemory
from raibid.forge.forge import Forge
from raibid.forge.gitea import GiteaClient
from raibid.forge.github import App, GithubClient, token_for
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
        forges["github"] = _Github(settings.github_url, who)
    return forges


class _Github:
    """Connects with one count of calls and one memory of answers per login: GitHub counts per user, and a 304 is free.

    A token that was replaced may be another user's, who sees other things. For several threads.
    """

    def __init__(self, url: str, who: Path | App) -> None:
        self._url, self._who = url, who
        self._lock = threading.Lock()
        self._login = ""
        self._gate, self._memory = RateGate(), AnswerMemory()

    def __call__(self) -> GithubClient:
        """Raises ForgeLoginError: no credentials for it."""
        if isinstance(self._who, App):
            return GithubClient.connect(self._url, self._who, gate=self._gate, memory=self._memory)
        token = token_for(self._url, self._who)
        login = hashlib.sha256(token.secret.encode()).hexdigest()
        with self._lock:
            if login != self._login:
                self._login, self._gate, self._memory = login, RateGate(), AnswerMemory()
            gate, memory = self._gate, self._memory
        return GithubClient.connect(self._url, token, gate=gate, memory=memory)
