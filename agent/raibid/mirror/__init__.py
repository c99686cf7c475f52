"""Mirrors as code: `mirrors.yaml` → what should be, what is, what to do about it, done.

Owns: the file (`config.py`, `lint.py`), what it asks for (`desired.py`), the plan (`plan.py`, pure), doing it
(`apply.py`), verified sync, tokens and GitHub's hooks of mirrors.
Leaves to others: calls to forges (`raibid.forge`), keeping bundles (`raibid.store`), commands (`raibid.cli.mirror`).

There is no state file: what is ours is marked on the forge itself, so a killed `apply` loses nothing.
"""
