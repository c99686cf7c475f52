"""`components commit-status`: a token for Flux's commit statuses, on stdout.

Owns: reading the order from stdin, printing the token and nothing else.
Leaves to others: the calls, composing the order, keeping the token (`components.commit_status`).
"""

from __future__ import annotations

import sys

from components.commands.terminal import write
from components.commit_status import Order, issue
from components.orders import read_order


def commit_status() -> int:
    """Issue the token that Flux reports commit statuses with; the last one ends.

    `pulumi up` runs it. The order comes as JSON on stdin, so that no password is an argument; the token is all that
    is printed.

    For example:
      python -m components commit-status < order.json
    """
    order = read_order(Order, sys.stdin.read(), "components/commit_status.py")
    write(issue(order).get_secret_value())
    return 0
