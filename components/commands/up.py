"""`components up`: emit a stack that needs no cluster, by Pulumi where it is, else by the same functions.

Owns: the order of what happens, what is said meanwhile.
Leaves to others: the private place (`engine.workspace`), the engine (`engine`), the push (`fleet.push`), the
pool itself (`raibid up`, which `make up` goes on to).
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from components import checkout
from components.commands.terminal import PLAIN, CommandError, Flag, Output, line
from components.engine import cli as engine
from components.engine import stack_keys
from components.engine.workspace import Workspace, prepare
from components.settings import load_stack


def up(
    *,
    stack: str = "local",
    no_engine: Annotated[bool, Flag] = False,
    output: Output = PLAIN,
) -> int:
    """Emit the Flux repository and the image context of a stack that lives on this machine.

    With `pulumi` and its command plugin this is `pulumi up`; without them the same functions write the same bytes.
    Its state, its keys and the repository are in $XDG_STATE_HOME/raibid/stack/<stack>.

    For example:
      python -m components up
      python -m components up --stack local --no-engine
      git -C ~/.local/state/raibid/stack/local/fleet.git log

    Parameters
    ----------
    stack
        Whose settings: Pulumi.<stack>.yaml; its cluster must be `embedded`.
    no_engine
        Leave Pulumi out even where it is.
    """
    settings = load_stack(stack)
    if settings.cluster.kind != "embedded":
        raise CommandError(
            f"stack {stack} needs a cluster ({settings.cluster.kind})",
            f"pulumi up -s {stack}; to look first: python -m components plan --stack {stack}",
            2,
        )
    workspace = prepare(stack)
    program = None if no_engine else engine.find()
    return _by_engine(workspace, program, output) if program else _by_hand(workspace, output)


def _by_engine(workspace: Workspace, program: str, output: Output) -> int:
    output.say(f"stack {workspace.stack}: pulumi up")
    pulumi = engine.Engine(program, workspace, remedy="--no-engine emits the same tree without it")
    pulumi.ensure_stack()
    keys = stack_keys.kept_in(workspace.keys)
    pulumi.ensure_secret("seed", keys.seed)
    pulumi.ensure_secret("ageKey", keys.cluster.private)
    pulumi.run("up", "--stack", workspace.stack, "--yes", "--skip-preview", "--non-interactive", "--color", "never")
    told: dict[str, Any] = json.loads(pulumi.run("stack", "output", "--json", "--stack", workspace.stack))
    fleet = told["fleet"]
    if workspace.lost(load_stack(workspace.stack, workspace.path).fleet.url, fleet["revision"]):
        # The engine knows its inputs, which are the same, and not that somebody removed the repository.
        output.say("the Flux repository is not there any more: pushing it again")
        return _by_hand(workspace, output)
    if output.json:
        output.emit({"repository": str(workspace.fleet), **fleet, "images": told["images"]})
    else:
        _say(workspace, output, str(fleet["revision"]), fleet["missing"], str(told["images"]["context"]))
    return 0


def _by_hand(workspace: Workspace, output: Output) -> int:
    from components.commands.image import carry_out, order_of
    from components.fleet.push import push
    from components.fleet.request import push_request
    from components.image.context import build_context
    from components.systems import emission

    settings = load_stack(workspace.stack, workspace.path)
    keys = stack_keys.kept_in(workspace.keys)
    tree = emission(settings)
    request = push_request(
        settings,
        tree,
        stack=workspace.stack,
        version=checkout.version(),
        url=settings.fleet.url,
        seed=keys.seed,
        identity=keys.cluster.private,
    )
    result = push(request)
    context = build_context(checkout.ROOT)
    order = order_of(workspace.stack, context)
    carry_out(order, context, checkout.ROOT / order.out)
    if output.json:
        fleet = {"digest": tree.digest(), "revision": result.revision, "missing": list(result.missing)}
        output.emit({"repository": str(workspace.fleet), **fleet, "images": {"context": context.hash}})
    else:
        _say(workspace, output, result.revision, result.missing, context.hash)
    return 0


def _say(workspace: Workspace, output: Output, revision: str, missing: object, context: str) -> None:
    output.say(f"Flux repository: {workspace.fleet} at {revision[:12]}; image context {context[:12]}")
    for path in missing if isinstance(missing, (list, tuple)) else ():
        line(f"  missing: {path}", "yellow")
