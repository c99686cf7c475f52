"""How a command ends when it cannot do what was asked: a sentence, what to do next, an exit code.

Owns: the command line's one exception; the table from other rooms' errors to exit codes is in `main.py`.
"""

from __future__ import annotations

from raibid.contract import ExitCode


class CliError(Exception):
    """Root of the command line's errors. `hint` says what to do next."""

    def __init__(self, message: str, hint: str = "", code: int = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code
