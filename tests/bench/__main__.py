"""`python -m tests.bench [NAME …] [--json]`: measure and print; without a name everything, in about ten minutes."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from dataclasses import asdict

from tests.bench.figure import Figure, machine, table

BENCHES = ("ledger_steps", "webhook", "log_stream", "latency", "recovery", "overhead", "stack", "reconcile", "owner")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], help="which; default all")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    figures: list[Figure] = []
    for name in options.names or BENCHES:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        figures += importlib.import_module(f"tests.bench.{name}").measure()
    if options.json:
        print(json.dumps([asdict(f) for f in figures], indent=2))
    else:
        print(f"{machine()}\n\n{table(figures)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
