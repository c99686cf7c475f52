"""How each command of the cluster tests ends: a sentence and an exit code, never a traceback of what it foresaw.

Owns: the exit codes, SIGTERM and Ctrl-C.
Leaves to others: the command lines (`demo`, `chaos`, `measure`), what failed (`errors.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from tests.chaos.harness import terminate_on_sigterm
from tests.cluster.errors import ClusterError

FAILED: Final = 2
INTERRUPTED: Final = 130


def exit_code(name: str, run: Callable[[], int]) -> int:
    """What `run` returns; 2 when the cluster under it failed, 130 after Ctrl-C or SIGTERM: each part is ended then."""
    terminate_on_sigterm()
    try:
        return run()
    except KeyboardInterrupt:
        sys.stderr.write(f"{name}: ended; nothing is left running\n")
        return INTERRUPTED
    except ClusterError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return FAILED
