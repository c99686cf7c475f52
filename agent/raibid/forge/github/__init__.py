"""GitHub: its webhooks (`webhook.py`) and its API (`client.py`)."""

from raibid.forge.github.client import GithubClient
from raibid.forge.github.webhook import parse

__all__ = ["GithubClient", "parse"]
