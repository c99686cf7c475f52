"""Building and pushing the pool's images with the builder that is there: buildx, buildctl, Buildah or Podman.

Owns: which builder is taken, the exact command lines, the digest out of the builder's own metadata.
Leaves to others: the context (`image.context`), registry credentials (the builder reads its own file).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from components.image.context import DOCKERFILE, EPOCH, Context
from components.orders import read_order
from components.settings import Image, Model

Builder = Literal["buildx", "buildctl", "buildah", "podman"]

# How each is asked whether it works. A `docker` without the buildx plugin, or a buildctl without its daemon, is none;
# nor is a `docker` whose builder cannot do what `steps` asks of it (`_able`).
PROBES: Final[Mapping[Builder, tuple[str, ...]]] = {
    "buildx": ("docker", "buildx", "inspect", "--bootstrap"),
    "buildctl": ("buildctl", "debug", "workers"),
    "buildah": ("buildah", "--version"),
    "podman": ("podman", "--version"),
}
_STORE: Final = ("docker", "info", "--format", "{{json .DriverStatus}}")
_CREATE: Final = "make a builder that can (docs/image.md: docker buildx create --driver docker-container)"
_TAIL: Final = 15
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_ENVIRONMENT: Final = {"SOURCE_DATE_EPOCH": str(EPOCH), "DOCKER_BUILDKIT": "1"}


class ImageError(Exception):
    """An image cannot be built or pushed. `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Order(Model):
    """What the stack asks for; it arrives as JSON on stdin and holds no secret."""

    context: str
    """Hash of the context that the stack has seen."""
    images: dict[str, Image]
    """By target of the Dockerfile."""
    builder: Literal["auto", "none", "buildx", "buildctl", "buildah", "podman"] = "auto"
    platforms: tuple[str, ...]
    push: bool = True
    out: str = "build/image"

    @classmethod
    def read(cls, text: str) -> Order:
        """The order in `text`.

        Raises:
            OrderError: it is not one.
        """
        return read_order(cls, text, "components/agent_image.py")


@dataclass(frozen=True)
class Step:
    """One call of a builder."""

    argv: tuple[str, ...]
    metadata: Path | None = None
    """Where it leaves the digest."""


def find_builder(wanted: str) -> Builder | None:
    """The builder to use: the wanted one, or the first that works; None if there is none, or none is wanted.

    Raises:
        ImageError: the wanted one does not work here.
    """
    if wanted == "none":
        return None
    found = next((name for name in PROBES if wanted in (name, "auto") and _works(name)), None)
    if found is None and wanted != "auto":
        advice = _CREATE if wanted == "buildx" else "install or start it"
        raise ImageError(
            f"images.builder is {wanted}, but `{' '.join(PROBES[wanted])}` "  # type: ignore[index]
            "says that it does not work here",
            f"{advice}, or set images.builder to auto or none",
        )
    return found


def _works(builder: Builder) -> bool:
    said = _said(PROBES[builder])
    return said is not None and (builder != "buildx" or _able(said))


def _able(inspected: str) -> bool:
    """Whether docker's builder makes images of several platforms and pushes them itself.

    The default driver `docker` does neither with the classic image store, and both with containerd's.
    """
    driver = re.search(r"^Driver:\s*(\S+)", inspected, re.MULTILINE)
    if driver is None or driver[1] != "docker":
        return driver is not None
    return "io.containerd.snapshotter" in (_said(_STORE) or "")


def _said(probe: Sequence[str]) -> str | None:
    """What a probe prints; None if it fails."""
    if shutil.which(probe[0]) is None:
        return None
    try:
        done = subprocess.run(probe, capture_output=True, text=True, errors="replace", check=False, timeout=120)
    except subprocess.TimeoutExpired:  # a daemon that does not answer is none
        return None
    return None if done.returncode else done.stdout


def steps(builder: Builder, target: str, image: Image, order: Order, directory: Path, out: Path) -> tuple[Step, ...]:
    """The calls that build one target from the context in `directory`, for all platforms, and push it.

    Without `push` the image becomes an OCI archive in `out`.
    """
    name, metadata, archive = f"{image.repository}:{image.tag}", out / f"{target}.digest", out / f"{target}.oci.tar"
    platforms = ",".join(order.platforms)
    # rewrite-timestamp: the same context gives the same layers, so that an unchanged image keeps its digest.
    output = (
        f'type=image,"name={name}",push=true,rewrite-timestamp=true'
        if order.push
        else f"type=oci,dest={archive},name={name},rewrite-timestamp=true"
    )
    file = str(directory / DOCKERFILE)
    match builder:
        case "buildx":
            # Provenance holds times of the build: with it no two digests are alike.
            options = ("--provenance=false", "--output", output, "--metadata-file", str(metadata))
            build = ("docker", "buildx", "build", "--file", file, "--target", target, "--platform", platforms)
            return (Step((*build, *options, str(directory)), metadata),)
        case "buildctl":
            local = ("--local", f"context={directory}", "--local", f"dockerfile={directory / 'agent'}")
            asked = ("--opt", f"target={target}", "--opt", f"platform={platforms}")
            epoch = ("--opt", f"build-arg:SOURCE_DATE_EPOCH={EPOCH}")
            said = ("--output", output, "--metadata-file", str(metadata))
            return (
                Step(("buildctl", "build", "--frontend", "dockerfile.v0", *local, *asked, *epoch, *said), metadata),
            )
        case "buildah" | "podman":
            where = f"docker://{name}" if order.push else f"oci-archive:{archive}"
            # OCI's own format has no HEALTHCHECK: Buildah would leave it out.
            wanted = (
                "--format",
                "docker",
                "--target",
                target,
                "--platform",
                platforms,
                "--timestamp",
                str(EPOCH),
                "--manifest",
                name,
            )
            forget = Step((builder, "manifest", "rm", name))
            return (
                forget,
                Step((builder, "build", "--file", file, *wanted, str(directory))),
                Step((builder, "manifest", "push", "--all", "--digestfile", str(metadata), name, where), metadata),
            )


def read_digest(metadata: str) -> str:
    """`sha256:…` out of BuildKit's metadata (JSON) or Buildah's digest file (a line).

    Raises:
        ImageError: there is none in it.
    """
    text = metadata.strip()
    if text.startswith("{"):
        text = str(json.loads(text).get("containerimage.digest", ""))
    if not _DIGEST.fullmatch(text):
        raise ImageError("the builder's metadata holds no digest", "update the builder: BuildKit 0.9, Buildah 1.24")
    return text


def advice(images: Mapping[str, Image], digests: Mapping[str, str]) -> str:
    """What to do with digests that are not the pinned ones; empty when all are."""
    stale = [name for name, digest in digests.items() if images[name].digest != digest]
    pins = "; ".join(f"pulumi config set --path images.{name}.digest {digests[name]}" for name in stale)
    return f"to use it, pin it: {pins}" if stale else ""


def build(order: Order, context: Context, builder: Builder, out: Path) -> dict[str, str]:
    """Build and push every image of the order; target → digest.

    Raises:
        ImageError: the builder failed; the message holds its last lines.
    """
    digests = {}
    with tempfile.TemporaryDirectory(prefix="raibid-image-") as scratch:
        directory = Path(scratch)
        context.write(directory)
        for target, image in order.images.items():
            for step in steps(builder, target, image, order, directory, out):
                _run(step.argv, forgiving="rm" in step.argv)
                if step.metadata:
                    digests[target] = read_digest(step.metadata.read_text(encoding="utf-8"))
    return digests


def _run(argv: Sequence[str], *, forgiving: bool) -> None:
    tail: deque[str] = deque(maxlen=_TAIL)
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **_ENVIRONMENT},
    ) as process:
        for line in process.stdout or ():
            tail.append(line.rstrip())
            if not forgiving:
                sys.stderr.write(line)
    if process.returncode and not forgiving:
        said = "\n".join(f"    {line}" for line in tail)
        raise ImageError(
            f"{' '.join(argv[:2])} ended with {process.returncode}; its last lines:\n{said}",
            "the context is written; fix what it says and run the same again",
        )
