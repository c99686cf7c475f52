"""A CEL expression that has to be true of an object.

Owns: values and errors of celpy. In a file of its own: only who has an expression waits for its import.
Leaves to others: what a probe is (`probe.py`).
"""

from __future__ import annotations

import json
from typing import Any, Final

import celpy
from celpy.adapter import json_to_cel
from celpy.celparser import CELParseError
from celpy.celtypes import BoolType
from celpy.evaluation import CELEvalError

from raibid.gitops.errors import ProbeError
from raibid.gitops.objects import Manifest, Ref
from raibid.gitops.watch.probe import See

_UNANSWERED: Final = (CELEvalError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""A field that is not there yet, or of another type; celpy lets Python's own errors through for some of them."""


class CelProbe:
    """An expression over an object: its fields are variables, as in Flux's `healthCheckExprs`; or all of it, `self`."""

    repeat = 0.0

    def __init__(self, ref: Ref, expression: str) -> None:
        self._ref, self._expression = ref, expression
        environment = celpy.Environment()
        try:
            self._program = environment.program(environment.compile(expression))
        except CELParseError as error:
            raise ProbeError(f"{expression}: {str(error).splitlines()[0]}", "it is a CEL expression") from error

    def wrong(self, see: See) -> str:
        """As the protocol says."""
        manifest = see(self._ref)
        if manifest is None:
            return f"{self._ref} does not exist"
        plain = _plain(manifest)
        try:
            values = {name: json_to_cel(value) for name, value in (*plain.items(), ("self", plain))}
            answer = self._program.evaluate(values)
        except _UNANSWERED as error:
            return f"{self._expression}: {error.args[0] if error.args else error}"
        good = isinstance(answer, BoolType) and bool(answer)
        return "" if good else f"{self._expression} is {answer!r}"


def _plain(manifest: Manifest) -> dict[str, Any]:
    """As JSON has it: a time that a YAML reader made of a string is a string again."""
    found: dict[str, Any] = json.loads(json.dumps(manifest, default=str))
    return found
