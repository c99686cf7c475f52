"""`components plan`: the resources, outputs and budget of a stack, without an engine.

Owns: how they are printed, where captured objects are written.
Leaves to others: running the program (`components.engine.plan`), the budget's table (`budget.view`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.tree import Tree

from components.budget.view import headline, ledger_table, to_json
from components.commands.terminal import PLAIN, CommandError, Output, line, show
from components.engine.plan import Plan, Resource
from components.engine.plan import plan as run_program
from components.manifest_tree import to_yaml
from components.settings import load_stack, notices
from components.systems import budget_of


def plan(*, stack: str, objects: Path | None = None, output: Output = PLAIN) -> int:
    """Run the whole program without an engine, credentials or network; print what it would create and export.

    Every secret is replaced by a stand-in and shown as [secret]; what only a cluster or a command knows is [unknown].

    For example:
      python -m components plan --stack dgx-spark
      python -m components plan --stack dgx-spark --json
      python -m components plan --stack dev --objects build/l1

    Parameters
    ----------
    stack
        Whose settings: Pulumi.<stack>.yaml.
    objects
        Also write the Kubernetes objects that Pulumi itself owns to this directory, a YAML file each.
    """
    result = run_program(stack)
    settings = load_stack(stack)
    proved = budget_of(settings)
    if objects:
        _write(objects, result)
    if output.json:
        output.emit({**as_data(result), "budget": to_json(stack, proved)})
        return 0
    show(_drawn(result))
    line("")
    for path, value in _flat(result.outputs):
        line(f"{path}: {value}")
    line("")
    line(f"{stack}: {headline(proved)}", "bold")
    for ledger in proved.ledgers:
        show(ledger_table(ledger))
    for notice in notices(settings):
        output.say(notice)
    return 0


def as_data(result: Plan) -> dict[str, Any]:
    """The plan as plain data, for --json."""
    return {
        "resources": [
            {
                "urn": resource.urn,
                "type": resource.type,
                "name": resource.name,
                "parent": resource.parent,
                "protect": resource.protect,
                "secrets": list(resource.secrets),
                "inputs": resource.inputs,
            }
            for resource in result.resources
        ],
        "outputs": result.outputs,
        "objects": result.objects(),
    }


def _drawn(result: Plan) -> Tree:
    children: dict[str, list[Resource]] = {}
    for resource in result.resources:
        children.setdefault(resource.parent, []).append(resource)

    def grow(branch: Tree, urn: str) -> Tree:
        for child in children.get(urn, []):
            marks = "".join([" (protected)" if child.protect else "", " [secret]" if child.secrets else ""])
            label = f"{child.name}  {child.type}{marks}".replace("[", r"\[")
            grow(branch.add(label, highlight=False), child.urn)
        return branch

    root = children[""][0]
    return grow(Tree(f"{root.name}  {root.type}"), root.urn)


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, str(value)


def _write(directory: Path, result: Plan) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, manifest in result.objects().items():
            (directory / f"{name}.yaml").write_bytes(to_yaml(manifest))
    except OSError as error:
        raise CommandError(f"{directory}: {error.strerror}", "choose another directory with --objects") from error
