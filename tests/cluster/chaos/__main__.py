"""`make chaos-cluster N=200`: jobs through a real cluster while each part is killed, then the verdict.

Owns: the command line.
Leaves to others: the run (`run.py`), the verdict (`verdict.py`), the tables (`tests.chaos.report`), the exit codes of
what fails (`tests.cluster.command`).

Exit codes: 0 nothing violated, 1 an invariant was, 2 the run itself failed, 130 interrupted.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Annotated, Final, NoReturn

from cyclopts import App, Parameter
from cyclopts.validators import Number

from tests.chaos.power_loss import PowerLossError
from tests.chaos.report import counts, table, verdict
from tests.cluster.chaos.faults import FEWEST_JOBS
from tests.cluster.chaos.run import ChaosClusterError, Run
from tests.cluster.chaos.verdict import judged
from tests.cluster.command import FAILED, exit_code, own_directory
from tests.cluster.node.node import why_not

_JOURNAL: Final = frozenset(
    {
        "agents without a job",
        "finishes accepted",
        "zombies fenced",
        "leases lost by silence",
        "cancels answered",
    }
)
"""Figures of a journal that agents in containers do not keep (who dies before its build leaves no mark), and of what
nobody does here."""

app: Final = App(
    name="python -m tests.cluster.chaos",
    help="Jobs through a real cluster while each of its parts is killed; then the checker's verdict.",
    help_format="plaintext",
    version_flags=[],
    suppress_keyboard_interrupt=False,  # `exit_code` says that everything was ended; cyclopts would exit without a word
)


@app.default
def chaos(
    *,
    jobs: Annotated[int, Parameter(validator=Number(gte=FEWEST_JOBS))] = 60,
    seed: int = 1,
    json_: Annotated[bool, Parameter(name="--json", negative=(), show_default=False)] = False,
) -> int:
    """Run the jobs, kill the parts, check.

    Parameters
    ----------
    jobs
        How many; one fault of each kind, or one per hundred jobs.
    seed
        Of the order of the faults.
    json_
        Figures and violations as JSON.
    """
    if reason := why_not():
        sys.stderr.write(f"chaos: {reason}\n")
        return FAILED
    with own_directory("chaos") as directory:
        began = time.monotonic()
        run = Run(jobs, seed, directory, _Progress(jobs))
        try:
            history = run.history()
        except PowerLossError as error:
            raise ChaosClusterError(str(error)) from error
    violations = judged(history)
    told = counts(history, time.monotonic() - began)
    figures = {"seed": seed, **{name: value for name, value in told.items() if name not in _JOURNAL}}
    if json_:
        print(json.dumps({"figures": figures, "violations": [vars(v) for v in violations]}, indent=2))
    else:
        print(table(figures), verdict(history, violations), sep="\n\n")
    return 1 if violations else 0


class _Progress:
    """A line per fault, and on a terminal one that is rewritten at each look."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._faults = 0

    def __call__(self, ended: int, agents: int, faults: int) -> None:
        text = f"{ended}/{self._jobs} jobs ended, {agents} agents run, {faults} faults"
        if faults != self._faults:
            self._faults = faults
            sys.stderr.write(f"\r{text}\033[K\n" if sys.stderr.isatty() else f"{text}\n")
        elif sys.stderr.isatty():
            sys.stderr.write(f"\r{text}\033[K")
        sys.stderr.flush()


def main() -> NoReturn:
    """Run it; what goes wrong is a sentence and an exit code."""
    sys.exit(exit_code("chaos", lambda: int(app(result_action="return_value"))))


if __name__ == "__main__":
    main()
