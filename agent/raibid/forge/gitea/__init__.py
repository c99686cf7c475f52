"""Gitea: its webhooks (`webhook.py`) and its API (`client.py`)."""

from raibid.forge.gitea.client import GiteaClient
from raibid.forge.gitea.webhook import parse

__all__ = ["GiteaClient", "parse"]
