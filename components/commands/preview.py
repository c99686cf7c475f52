"""`components preview`: what `pulumi up` would do, even on a machine that has no Pulumi yet.

Owns: the ladder: `pulumi` on PATH, the pinned release in the user's cache, `plan`; what is said on the way.
Leaves to others: fetching (`engine.pulumi_cli`), the private place (`engine.workspace`), running (`engine`), `plan`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from components.commands.plan import plan
from components.commands.terminal import Flag, Output
from components.engine import cli as engine
from components.engine.pulumi_cli import ChecksumError, DownloadError, cache, install
from components.engine.workspace import Workspace, prepare
from components.settings import load_stack
from components.versions import PULUMI, PULUMI_COMMAND, PULUMI_KUBERNETES

PLUGINS: Final = {"command": PULUMI_COMMAND, "kubernetes": PULUMI_KUBERNETES}
NEEDS: Final = {"embedded": ("command",), "existing": ("command", "kubernetes"), "k3s": ("command", "kubernetes")}


def preview(
    *, stack: str = "local", diff: Annotated[bool, Flag] = False, offline: Annotated[bool, Flag] = False
) -> int:
    """Preview a stack on a private file backend: a first `up`, as it would be from this machine.

    Without `pulumi` on PATH its pinned release is fetched into the user's cache and verified against its published
    checksums; where that cannot be, `plan` shows the same graph.

    For example:
      python -m components preview
      python -m components preview --stack local --diff
      python -m components preview --stack dgx-spark --offline

    Parameters
    ----------
    stack
        Whose settings: Pulumi.<stack>.yaml.
    diff
        Show every property: each file of the Flux repository with its digest.
    offline
        Fetch nothing.
    """
    kind = load_stack(stack).cluster.kind
    say = Output().say
    try:
        program, env = _found() or _fetched(offline=offline)
    except ChecksumError:
        raise
    except DownloadError as error:
        say(f"no Pulumi CLI here ({error}): falling back to `plan`, which shows the same graph")
        return plan(stack=stack)
    workspace = prepare(stack)
    pulumi = engine.Engine(program, workspace, env, f"`python -m components plan --stack {stack}` needs no engine")
    missing = [name for name in NEEDS[kind] if not _has_plugin(pulumi, name, offline=offline)]
    if missing:
        say(f"no plugin {', '.join(missing)} for Pulumi here: falling back to `plan`, which shows the same graph")
        for name in missing:
            say(f"  to have it: {Path(program).name} plugin install resource {name} {PLUGINS[name].version}")
        return plan(stack=stack)
    return _preview(pulumi, workspace, diff=diff)


def _preview(pulumi: engine.Engine, workspace: Workspace, *, diff: bool) -> int:
    pulumi.ensure_stack()
    arguments = ["preview", "--stack", workspace.stack, "--non-interactive", *(["--diff"] if diff else [])]
    return 1 if pulumi.show(*arguments) else 0


def _found() -> tuple[str, dict[str, str]] | None:
    program = engine.cli()
    return (program, dict(os.environ)) if program else None


def _fetched(*, offline: bool) -> tuple[str, dict[str, str]]:
    directory = cache()
    if offline and not directory.exists():
        raise DownloadError("--offline, and none was fetched before")
    columns = TextColumn("Pulumi {task.fields[version]}"), BarColumn(), DownloadColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("fetch", total=None, version=PULUMI.version)
        program = install(directory, lambda done, total: bar.update(task, completed=done, total=total or None))
    path = os.pathsep.join([str(program.parent), os.environ.get("PATH", os.defpath)])
    return str(program), {**os.environ, "PATH": path}


def _has_plugin(pulumi: engine.Engine, name: str, *, offline: bool) -> bool:
    if engine.has_plugin(name, pulumi.env):
        return True
    if offline:
        return False
    Output().say(f"fetching Pulumi's plugin {name} {PLUGINS[name].version}")
    try:
        pulumi.run("plugin", "install", "resource", name, PLUGINS[name].version)
    except engine.EngineError as error:
        Output().say(str(error))
        return False
    return engine.has_plugin(name, pulumi.env)
