"""`components gitea-setup`: organisation, repository, users, protection and hooks in a Gitea that is there.

Owns: reading the order from stdin, what is said at the end.
Leaves to others: the calls (`components.gitea_setup`), composing the order (`components.gitea_bootstrap`).
"""

from __future__ import annotations

import sys

from components.commands.terminal import PLAIN, Output, line
from components.gitea_setup import Order, set_up


def gitea_setup(*, output: Output = PLAIN) -> int:
    """Make what Flux and builds need in Gitea: organisation, repository, users that read, branch protection, hooks.

    `pulumi up` runs it. The order comes as JSON on stdin, so that no password is an argument; a second run of the
    same order changes nothing.

    For example:
      python -m components gitea-setup < order.json
      python -m components gitea-setup --json < order.json
    """
    order = Order.read(sys.stdin.read())
    result = set_up(order)
    if output.json:
        output.emit(result.as_json())
        return 0
    line(result.repository)
    for change in result.changed or ("nothing to change",):
        line(f"  {change}")
    return 0
