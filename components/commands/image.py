"""`components image`: build and push the pool's images; what the stack's AgentImage runs.

Owns: the order on stdin, the context's file, the answer on stdout.
Leaves to others: the context (`image.context`), builders (`image.build`), when it runs (`agent_image`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from components.checkout import ROOT
from components.commands.terminal import PLAIN, USAGE, CommandError, Output, line
from components.image.build import ImageError, Order, advice, build, find_builder
from components.image.context import Context, build_context
from components.settings import load_stack


def image(*, stack: str = "", output: Output = PLAIN) -> int:
    """Build the images of the pool and push them, with docker buildx, buildctl, Buildah or Podman.

    Without a builder the build context is the result, and the message says so. Registry credentials are the builder's
    own (`docker login`, `buildah login`); none is taken here.

    For example:
      python -m components image --stack dgx-spark
      python -m components image --json < order.json

    Parameters
    ----------
    stack
        Whose images; without it the order is read as JSON from stdin, as the stack's own command sends it.
    """
    if not stack and sys.stdin.isatty():
        raise CommandError("whose images?", "python -m components image --stack S", USAGE)
    context = build_context(ROOT)
    order = order_of(stack, context) if stack else Order.read(sys.stdin.read())
    if order.context != context.hash:
        raise ImageError(
            f"the checkout is not the one that was previewed: context {context.hash[:12]}, not {order.context[:12]}",
            "preview again, then up",
        )
    answer = carry_out(order, context, ROOT / order.out)
    if output.json:
        output.emit(answer)
        return 0
    for name, built in answer["images"].items():
        line(f"{name}  {built['ref']}")
    line(answer["message"])
    if todo := advice(order.images, {name: built["digest"] for name, built in answer["images"].items()}):
        line(todo)
    return 0


def order_of(stack: str, context: Context) -> Order:
    """What a stack's settings ask for."""
    images = load_stack(stack).images
    return Order(
        context=context.hash,
        images={"agent": images.agent, "api": images.api},
        builder=images.builder,
        platforms=images.platforms,
        push=images.push,
    )


def carry_out(order: Order, context: Context, out: Path) -> dict[str, Any]:
    """Write the context, build and push where there is a builder; what became of it."""
    out.mkdir(parents=True, exist_ok=True)
    tar = out / "context.tar"
    draft = out / "context.tar.new"
    draft.write_bytes(context.tar())
    draft.replace(tar)
    builder = find_builder(order.builder)
    digests = build(order, context, builder, out) if builder else {}
    return {
        "context": {"hash": context.hash, "path": f"{order.out}/context.tar", "files": len(context.files)},
        "builder": builder,
        "images": {
            target: {"ref": f"{image.repository}:{image.tag}@{digests[target]}", "digest": digests[target]}
            for target, image in order.images.items()
            if target in digests
        },
        "message": _message(order, builder),
    }


def _message(order: Order, builder: str | None) -> str:
    if builder is not None:
        return f"built by {builder}" + ("" if order.push else f"; archives in {order.out}, nothing pushed")
    why = "images.builder is none" if order.builder == "none" else "no builder here (buildx, buildctl, buildah, podman)"
    return f"{why}: nothing is built; the context is in {order.out}/context.tar"
