"""`raibid gitops …`: who owns a live object, changing it in Git, watching it land, taking it back.

Owns: the group and its commands' names.
Leaves to others: each command (`gitops_*.py`), what they need (`gitops_access.py`).
"""

from __future__ import annotations

from typing import Final

from cyclopts import App

from raibid.cli import (
    gitops_apply,
    gitops_change,
    gitops_controller,
    gitops_log,
    gitops_owner,
    gitops_rollback,
    gitops_watch,
)

app: Final = App(
    name="gitops", help="Change the cluster in Git: owner, set, watch, rollback, log.", help_format="plaintext"
)

for _command in (
    gitops_controller.controller,
    gitops_log.log,
    gitops_owner.owner,
    gitops_rollback.rollback,
    gitops_watch.watch,
    gitops_watch.verify,
):
    app.command(_command)

app.command(gitops_change.set_, name="set")
app.command(gitops_change.image)
app.command(gitops_change.scale)
app.command(gitops_apply.apply)
