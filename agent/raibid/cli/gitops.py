"""`raibid gitops …`: who owns a live object, changing it in Git, watching it land, taking it back.

Owns: the group and its commands' names.
Leaves to others: each command (`gitops_*.py`), what they need (`gitops_access.py`).
"""

from __future__ import annotations

from typing import Final

from cyclopts import App

from raibid.cli import gitops_owner

app: Final = App(
    name="gitops", help="Change the cluster in Git: owner, set, watch, rollback, log.", help_format="plaintext"
)

for _command in (gitops_owner.owner,):
    app.command(_command)
