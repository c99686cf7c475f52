"""`python -m tests.chaos`: N jobs under injected faults, then the checker's verdict.

Exit codes: 0 nothing violated, 1 an invariant was, 2 the run itself failed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from raibid.local.errors import LocalError

from tests.chaos.checker import check
from tests.chaos.faults import Options
from tests.chaos.harness import ChaosError, Run, terminate_on_sigterm
from tests.chaos.mutations import MUTATIONS
from tests.chaos.power_loss import PowerLossError
from tests.chaos.report import counts, table, verdict


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=Options.jobs)
    parser.add_argument("--seed", type=int, help="of the plan; default: the clock, printed")
    parser.add_argument("--max", type=int, default=Options.max_agents, help="agents at once, and the window")
    parser.add_argument("--repos", type=int, default=Options.repos)
    parser.add_argument("--no-power-loss", action="store_true", help="no C compiler is needed then")
    parser.add_argument("--mutation", choices=sorted(MUTATIONS), default="", help="seed a bug into the ledger")
    parser.add_argument("--json", action="store_true", help="the figures and violations as JSON")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep Redis' files, logs and history.json there")
    return parser


class _Progress:
    """A line on a terminal that is rewritten once a second; nothing anywhere else."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._shown = 0.0

    def __call__(self, ended: int, agents: int, faults: int) -> None:
        if sys.stderr.isatty() and time.monotonic() - self._shown > 1:
            self._shown = time.monotonic()
            sys.stderr.write(f"\r{ended}/{self._jobs} jobs ended, {agents} agents, {faults} faults \033[K")
            sys.stderr.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Run, check, print. Returns the exit code."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.keep and args.keep.exists() and any(args.keep.iterdir()):
        parser.error(f"--keep {args.keep}: not empty; another run's journal would be mixed into this one's")
    options = Options(
        jobs=args.jobs,
        seed=time.time_ns() % 1_000_000 if args.seed is None else args.seed,
        max_agents=args.max,
        repos=args.repos,
        power_loss=not args.no_power_loss,
        mutation=args.mutation,
    )
    with tempfile.TemporaryDirectory(prefix="raibid-chaos-") as temporary:
        directory = (args.keep or Path(temporary)).resolve()
        directory.mkdir(parents=True, exist_ok=True)
        print(f"seed {options.seed}", file=sys.stderr)
        began = time.monotonic()
        history = Run(options, directory, _Progress(options.jobs)).history()
        figures = {"seed": options.seed, **counts(history, time.monotonic() - began)}
        if args.keep:
            (directory / "history.json").write_bytes(msgspec.json.encode(history))
    violations = check(history)
    if args.json:
        print(json.dumps({"figures": figures, "violations": [vars(v) for v in violations]}, indent=2))
    else:
        print(f"\n{table(figures)}\n\n{verdict(history, violations)}")
    return 1 if violations else 0


if __name__ == "__main__":
    terminate_on_sigterm()
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted; every process of the run was ended", file=sys.stderr)
        sys.exit(130)
    except (ChaosError, PowerLossError, LocalError) as error:
        print(f"the run itself failed: {error}", file=sys.stderr)
        sys.exit(2)
