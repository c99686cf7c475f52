"""The doctor's and the simulator's answers as plain text, or as JSON.

Owns: layout only.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import msgspec

from raibid.scaler.rules import Finding
from raibid.scaler.simulate import Setup, Simulation


def format_findings(findings: Sequence[Finding], *, name: str = "", width: int = 100) -> str:
    """A paragraph per finding: severity, rule and path, what will happen, what to do."""
    title = f"{name}: " if name else ""
    if not findings:
        return f"{title}KEDA will do what it says: no finding"
    lines = [title + ", ".join(f"{n} {s}{'s' * (n != 1)}" for s, n in _tally(findings))]
    for finding in findings:
        lines += ["", f"{finding.severity:<8}{finding.rule}  {finding.path}"]
        lines += textwrap.wrap(finding.effect, width, initial_indent=" " * 8, subsequent_indent=" " * 8)
        lines += textwrap.wrap(finding.remedy, width, initial_indent="     -> ", subsequent_indent=" " * 8)
    return "\n".join(lines)


def findings_json(findings: Sequence[Finding]) -> str:
    """A JSON array with an object per finding."""
    return msgspec.json.encode(list(findings)).decode()


def format_simulation(result: Simulation, setup: Setup) -> str:
    """Two columns: what was measured, and the value."""
    rows = [
        ("setup", f"max {setup.max_replicas}, min {setup.min_replicas}, poll {setup.poll:g} s, {_trigger(setup)}"),
        ("jobs done", f"{result.done} of {result.jobs} in {result.seconds:.0f} s"),
        ("agents", f"{result.agents} made, {result.wasted} wasted, {result.crashed} crashed, peak {result.peak}"),
        ("wait p50", _seconds(result.wait_p50)),
        ("wait p95", _seconds(result.wait_p95)),
        ("wait max", _seconds(result.wait_max)),
        ("overshoot", f"{result.overshoot:.1f} %"),
        ("undershoot", f"{result.undershoot:.1f} %"),
    ]
    return "\n".join(f"{label:<12}{value}" for label, value in rows)


def simulation_json(result: Simulation, setup: Setup) -> str:
    """A JSON object: `setup` and `result`; a wait that does not exist is null."""
    return msgspec.json.encode({"setup": setup, "result": result}).decode()


def _trigger(setup: Setup) -> str:
    return f"{setup.metric}/{setup.target}, strategy {setup.strategy}, seed {setup.seed}"


def _seconds(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f} s"


def _tally(findings: Sequence[Finding]) -> list[tuple[str, int]]:
    severities = [str(f.severity) for f in findings]
    return [(s, severities.count(s)) for s in dict.fromkeys(severities)]
