"""`make chaos-cluster N=200`: jobs through a real cluster while each part is killed, then the verdict.

Owns: the command line, the check that builds themselves tell of as many starts as the ledger.
Leaves to others: the run (`run.py`), every other invariant and the tables (`tests.chaos`).

Exit codes: 0 nothing violated, 1 an invariant was, 2 the run itself failed, 130 interrupted.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, NoReturn

from cyclopts import App, Parameter
from raibid.model.job import JobEvent

from tests.chaos.checker import check
from tests.chaos.harness import terminate_on_sigterm
from tests.chaos.history import History
from tests.chaos.power_loss import PowerLossError
from tests.chaos.replay import Violation, transitions
from tests.chaos.report import counts, table, verdict
from tests.cluster.chaos.run import ChaosClusterError, Run
from tests.cluster.node.node import why_not
from tests.cluster.parts.process import PartError
from tests.cluster.tools.toolchain import ToolMissingError

_JOURNAL: Final = frozenset(
    {
        "agents without a job",
        "starts of one job, most",
        "finishes accepted",
        "zombies fenced",
        "leases lost by silence",
        "cancels answered",
    }
)
"""Figures of a journal that agents in containers do not keep, and of what nobody does here."""

app: Final = App(
    name="python -m tests.cluster.chaos",
    help="Jobs through a real cluster while each of its parts is killed; then the checker's verdict.",
    help_format="plaintext",
    version_flags=[],
    suppress_keyboard_interrupt=False,  # `main` says that everything was ended; cyclopts would exit without a word
)


def judged(history: History, executions: Mapping[str, int]) -> list[Violation]:
    """Every violation: the checker's, and builds that ran more often, or less, than the ledger knows."""
    return [*check(history), *builds_ran_as_often_as_they_were_claimed(history, executions)]


def builds_ran_as_often_as_they_were_claimed(h: History, executions: Mapping[str, int]) -> Iterator[Violation]:
    """By marks that builds leave: a claim may die before its build begins; a build without a claim is a double one."""
    claims = Counter(step.job for step in transitions(h) if step.event == JobEvent.CLAIM)
    for job in h.jobs:
        if not 1 <= executions.get(job, 0) <= claims[job]:
            detail = f"{executions.get(job, 0)} executions, {claims[job]} claims"
            yield Violation("executions", detail, job)


@app.default
def chaos(
    *,
    jobs: int = 60,
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
        return 2
    terminate_on_sigterm()
    with tempfile.TemporaryDirectory(prefix="raibid-chaos-") as directory:
        began = time.monotonic()
        run = Run(jobs, seed, Path(directory), _Progress(jobs))
        history = run.history()
        violations = judged(history, run.executions())
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
    try:
        sys.exit(app(result_action="return_value"))
    except KeyboardInterrupt:
        sys.stderr.write("chaos: ended; nothing is left running\n")
        sys.exit(130)
    except (ChaosClusterError, PowerLossError, PartError, ToolMissingError) as error:
        sys.stderr.write(f"chaos: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
