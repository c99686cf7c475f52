"""`components commit-status`: a token for Flux's commit statuses, on stdout.

Owns: reading the order from stdin, printing the token and nothing else.
Leaves to others: the calls, composing the order, keeping the token (`components.commit_status`).
"""

from __future__ import annotations

import sys

from pydantic import ValidationError

from components.commands.terminal import USAGE, CommandError, write
from components.commit_status import Order, issue


def commit_status() -> int:
    """Issue the token that Flux reports commit statuses with; the last one ends.

    `pulumi up` runs it. The order comes as JSON on stdin, so that no password is an argument; the token is all that
    is printed.

    For example:
      python -m components commit-status < order.json
    """
    try:
        order = Order.model_validate_json(sys.stdin.read())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "stdin"
        hint = "stdin takes what components/commit_status.py sends"
        raise CommandError(f"{where}: {first['msg']}", hint, USAGE) from None
    write(issue(order).get_secret_value())
    return 0
