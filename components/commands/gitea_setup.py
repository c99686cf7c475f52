"""`components gitea-setup`: organisation, repository, Flux's user, protection and hook in a Gitea that is there.

Owns: reading the order from stdin, what is said at the end.
Leaves to others: the calls (`components.gitea_setup`), composing the order (`components.gitea_bootstrap`).
"""

from __future__ import annotations

import sys

from components.commands.terminal import PLAIN, Output, line
from components.gitea_setup import Order, set_up


def gitea_setup(*, output: Output = PLAIN) -> int:
    """Make what Flux needs in Gitea: organisation, repository, a user that reads it, branch protection, push hook.

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
