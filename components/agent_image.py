"""The pool's images in the stack's graph: context in, `repository:tag@digest` out.

Owns: the inputs that decide whether an image is built again, the outputs.
Leaves to others: the context (`image.context`), building (`image.build`, run by `python -m components image`), which
digest the cluster uses: the one pinned in stack config, so that a preview shows the exact tree.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pulumi import ComponentResource, CustomTimeouts, Input, Output, Resource, ResourceOptions
from pulumi_command import local

from components.image.build import advice
from components.image.context import Context
from components.settings import Settings

NAME: Final = "agent-image"
TARGETS: Final = ("agent", "api")
# Three crates are compiled from source when their versions change: 15 minutes on a Spark, more under emulation.
_PATIENCE: Final = CustomTimeouts(create="2h", update="2h")


@dataclass(frozen=True, kw_only=True)
class AgentImageArgs:
    """What the component needs."""

    settings: Settings
    context: Context
    context_dir: Input[str] = "build/image"
    """Where the context is written; relative to the checkout."""
    program: str = "python3"
    """The interpreter that has this project's packages."""
    after: Sequence[Resource] = ()
    """What must be there before an image can be pushed: the registry, where this stack makes it."""


class AgentImage(ComponentResource):
    """Both images of the pool. Nothing is built in a preview: the command runs on `up`, when its order has changed."""

    context_hash: str
    result: Output[dict[str, Any]]
    """What `python -m components image` answered: context, builder, images (target → ref, digest), message."""
    agent: Output[str]
    """`repository:tag@digest` of the agent as built; without a builder, as pinned; else only its tag."""
    api: Output[str]

    def __init__(self, name: str, args: AgentImageArgs, opts: ResourceOptions | None = None) -> None:
        files = {path: hashlib.sha256(data).hexdigest() for path, data in args.context.files.items()}
        self.context_hash = args.context.hash
        super().__init__("raibid:components:AgentImage", name, {"context": self.context_hash, "files": files}, opts)
        command = local.Command(
            f"{name}-build",
            create=shlex.join([args.program, "-m", "components", "image", "--json"]),
            stdin=Output.from_input(args.context_dir).apply(lambda out: json.dumps(order(args, out))),
            # The order on stdin changes when the context does; `triggers` would replace instead of update.
            add_previous_output_in_env=False,
            opts=ResourceOptions(parent=self, custom_timeouts=_PATIENCE, depends_on=list(args.after)),
        )
        self.result = command.stdout.apply(json.loads)
        self.agent, self.api = (self._reference(args, target) for target in TARGETS)
        self.register_outputs(
            {
                "contextHash": self.context_hash,
                "files": list(files),
                "agent": self.agent,
                "api": self.api,
                "message": self.result.apply(lambda result: message(args.settings, result)),
            }
        )

    def _reference(self, args: AgentImageArgs, target: str) -> Output[str]:
        fallback = pinned(args.settings, target)
        return self.result.apply(lambda result: str(result["images"].get(target, {}).get("ref", fallback)))


def message(settings: Settings, result: dict[str, Any]) -> str:
    """What was done, and what is left to do by hand: pinning a new digest."""
    images = {target: getattr(settings.images, target) for target in TARGETS}
    todo = advice(images, {target: built["digest"] for target, built in result["images"].items()})
    return "; ".join(filter(None, [str(result["message"]), todo]))


def pinned(settings: Settings, target: str) -> str:
    """The image as stack config names it: with its digest where one is pinned."""
    image = getattr(settings.images, target)
    return f"{image.repository}:{image.tag}" + (f"@{image.digest}" if image.digest else "")


def order(args: AgentImageArgs, out: str) -> dict[str, Any]:
    """What the command reads on stdin; a digest pinned later is no reason to build again."""
    images = args.settings.images
    return {
        "context": args.context.hash,
        "images": {target: getattr(images, target).model_dump(exclude={"digest"}) for target in TARGETS},
        "builder": images.builder,
        "platforms": list(images.platforms),
        "push": images.push,
        "out": out,
    }
