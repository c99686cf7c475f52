"""Whose right to push stands for a person's look at a fork's code. Pure.

Owns: who must be asked about.
Leaves to others: what is held at all (`intake.py`), asking the forge (`raibid.api.approvals`).
"""

from __future__ import annotations

from raibid.model.job import JobSpec


def vouchers(spec: JobSpec) -> tuple[str, ...]:
    """Users all of whom must be allowed to push to the repository for a fork's commit to need no person.

    None: nobody's word is enough. Opening a pull request says little of what is pushed to its branch afterwards, and
    anybody may open one of a stranger's branch. So the fork has to be the author's own, where nobody pushes whom they
    did not let in, and whoever brought this very commit has to be known, and trusted too. The reconciler does not know,
    nor does the webhook of a pull request that was opened again.
    """
    if not spec.sender:
        return ()
    owner = spec.fork.partition("/")[0]
    if not spec.author or owner.casefold() != spec.author.casefold():
        return ()
    return tuple(dict.fromkeys((spec.author, spec.sender)))
