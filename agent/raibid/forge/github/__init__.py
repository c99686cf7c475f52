"""GitHub: its webhooks (`webhook.py`) and its API (`client.py`, as a user or as an App: `app.py`)."""

from raibid.forge.github.app import App
from raibid.forge.github.client import GithubClient, token_for
from raibid.forge.github.webhook import parse

__all__ = ["App", "GithubClient", "parse", "token_for"]
