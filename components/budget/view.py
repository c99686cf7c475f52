"""The budget as people and programs read it: a table with bars, and JSON.

Owns: the words, the bars, the JSON's keys (stable: pull requests compare them).
Leaves to others: the numbers (`budget`), the picture (`budget.svg`), the terminal (`commands`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from pydantic.alias_generators import to_camel
from rich import box
from rich.table import Table
from rich.text import Text

from components.budget import Agents, Amount, Budget, Ledger
from components.budget.ledger import RESOURCES, Kind, cells
from components.units import cores_text, size_text

STYLES: Final[Mapping[Kind, str]] = {"reserved": "yellow", "system": "cyan", "agents": "green", "unused": "dim"}
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_BAR: Final = 10


def headline(budget: Budget) -> str:
    """The result in one line: what an agent gets and how many there are."""
    agents = budget.agents
    parts = [
        f"profile {budget.profile}: {_agents(agents)} of {_cores(agents.cpu)}, {size_text(agents.memory)} memory,"
        f" {size_text(agents.scratch)} scratch",
        f"cache {size_text(agents.cache)}",
    ]
    if agents.warm:
        parts.append(f"{agents.warm} of them warm")
    if budget.gpu_leases:
        parts.append(f"{budget.gpu_leases} GPU leases")
    models = sum(line.amount.memory for node in budget.ledgers for line in node.lines if line.name == "inference")
    if models:
        parts.append(f"{size_text(models)} left for models")
    return "; ".join(parts)


def _agents(agents: Agents) -> str:
    return f"{agents.total} agent{'' if agents.total == 1 else 's'}"


def _cores(cpu: int) -> str:
    return "1 core" if cpu == 1000 else f"{cores_text(cpu)} cores"


def bar(part: int, whole: int, width: int = _BAR) -> str:
    """A bar of `width` characters, exact to an eighth; anything that is there shows at least one."""
    eighths = max(1, part * width * 8 // whole) if part > 0 else 0
    full, rest = divmod(min(eighths, width * 8), 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def ledger_table(ledger: Ledger) -> Table:
    """A node's ledger: a line per system, a bar per resource."""
    view = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_footer=True, expand=False)
    view.add_column(ledger.node, footer="capacity", overflow="fold")
    titles = zip(("cores", "memory GiB", "disk GiB"), cells(ledger.capacity), strict=True)
    for title, capacity in titles:
        view.add_column(title, footer=capacity, justify="right")
        view.add_column("", width=_BAR, no_wrap=True)
    for line in ledger.lines:
        style = STYLES[line.kind]
        name = f"{line.name} ({ledger.agents})" if line.name == "agents" else line.name
        row = [Text(name, style="dim" if line.kind == "unused" else "")]
        for resource, cell in zip(RESOURCES, cells(line.amount), strict=True):
            row += [Text(cell), Text(bar(line.amount.of(resource), ledger.capacity.of(resource)), style=style)]
        view.add_row(*row)
    return view


def profiles_table(budgets: Mapping[str, Budget | str]) -> Table:
    """The profiles side by side; a text is why a profile is not possible."""
    view = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    view.add_column("profile")
    for title in ("agents", "warm", "cores each", "up to", "memory each", "scratch each", "cores unused"):
        view.add_column(title, justify="right")
    view.add_column("", overflow="fold")
    for name, proved in budgets.items():
        if isinstance(proved, str):
            view.add_row(Text(name), *[Text("-", style="dim")] * 7, Text(proved, style="red"))
            continue
        agents = proved.agents
        view.add_row(
            *(Text(cell) for cell in (name, str(agents.total), str(agents.warm), cores_text(agents.cpu))),
            *(
                Text(cell)
                for cell in (cores_text(agents.cpu_limit), size_text(agents.memory), size_text(agents.scratch))
            ),
            Text(cells(unused(proved))[0] or "0"),
            Text(_remark(proved), style="dim"),
        )
    return view


def _remark(proved: Budget) -> str:
    return "exclusive cores" if any(node.static_cpus for node in proved.kubelet.values()) else ""


def unused(proved: Budget) -> Amount:
    """What nobody takes, over all nodes."""
    return sum((line.amount for ledger in proved.ledgers for line in ledger.lines if line.kind == "unused"), Amount())


def to_json(stack: str, budget: Budget) -> dict[str, Any]:
    """The budget as plain data, millicores and bytes; keys are camelCase as in the stack's file."""
    return {
        "version": 1,
        "stack": stack,
        "profile": budget.profile,
        "agents": {**_camel(asdict(budget.agents)), "total": budget.agents.total},
        "gpuLeases": budget.gpu_leases,
        "nodes": [
            {
                "name": ledger.node,
                "agents": ledger.agents,
                "capacity": asdict(ledger.capacity),
                "lines": [{"name": line.name, "kind": line.kind, **asdict(line.amount)} for line in ledger.lines],
                "kubelet": _camel(asdict(budget.kubelet[ledger.node])),
            }
            for ledger in budget.ledgers
        ],
        "quotas": {name: _camel(asdict(quota)) for name, quota in budget.quotas.items()},
        "limits": {name: _camel(asdict(limits)) for name, limits in budget.limits.items()},
    }


def _camel(values: Mapping[str, Any]) -> dict[str, Any]:
    return {to_camel(key): value for key, value in values.items()}
