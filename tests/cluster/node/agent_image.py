"""The agent's image, really built: agent/Dockerfile, by Buildah, on bases assembled here.

Owns: the build with the project's own command line, the finished archive in the per-user cache, its size.
Leaves to others: the bases (`base_images.py`), the Dockerfile, importing (`containerd.py`).

An archive is found again by the hash of its build context and of its bases; between the two, Buildah keeps every layer,
so that a changed line of the package costs seconds.

cargo's companions (nextest, audit, deny) are left out unless RAIBID_WHOLE_IMAGE is set: compiling them takes longer
than everything else together, a pipeline asks whether they are there, and audit needs the internet, which pods here do
not have. With it, the Dockerfile is built byte for byte.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.image.build import Order, steps
from components.image.context import DOCKERFILE, Context, build_context
from components.settings import Image
from tests.cluster.node.base_images import ROOT, buildah, provide, recipes
from tests.cluster.node.image_archive import cache

_PLATFORMS: Final = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}
_COMPANION: Final = re.compile(r"^RUN cargo install .*$", re.MULTILINE)
_KEPT: Final = 2
"""Archives per target in the cache: this checkout's, and the one before it."""
_MOST_LAYERS: Final = 200
"""Images, layers without a name among them, that Buildah may keep: 122 were 2.4 GB, a build from nothing makes 30."""


@dataclass(frozen=True)
class Built:
    """An image as an archive that containerd imports."""

    archive: Path
    reference: str

    @property
    def size(self) -> int:
        """Bytes of its layers, uncompressed."""
        return self.archive.stat().st_size


def agent_image(image: Image) -> Built:
    """Target `agent` of this checkout, called as the stack calls it; built where the cache does not have it."""
    return built("agent", image)


def built(target: str, image: Image) -> Built:
    """One target of agent/Dockerfile as an archive.

    Raises:
        ImageBuildError: a base cannot be assembled, or the Dockerfile fails on it.
        ToolMissingError: a program is missing.
    """
    context, reference = _context(), f"{image.repository}:{image.tag}"
    recipe = f"{context.hash} {sorted(recipes().items())} {reference}"
    archive = cache("images") / f"{target}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}.tar"
    if not archive.exists():
        with _alone():
            if not archive.exists():  # another session has built it meanwhile
                tidy()
                provide()
                _build(target, image, context, archive)
                _forget(target)
    return Built(archive, reference)


def _context() -> Context:
    """What the stack would hand to its builder; the Dockerfile without cargo's companions, if it need not be whole."""
    whole = build_context(ROOT)
    if os.environ.get("RAIBID_WHOLE_IMAGE"):
        return whole
    text = whole.files[DOCKERFILE].decode()
    without, count = _COMPANION.subn("RUN mkdir -p /opt/tools/bin", text)
    assert count, f"{DOCKERFILE} compiles no companions of cargo: RAIBID_WHOLE_IMAGE has lost its meaning"
    return Context({**whole.files, DOCKERFILE: without.encode()})


def tidy() -> None:
    """Remove what builds that were killed left mounted, and Buildah's layers when they have become too many.

    Not after every build: to Buildah 1.28 a layer of a finished build is as useless as any other, and the next build
    would start from nothing. Nobody else may build meanwhile.
    """
    buildah("rm", "--all")
    if len(buildah("images", "--all", "--quiet").split()) > _MOST_LAYERS:
        buildah("rmi", "--prune")


def _build(target: str, image: Image, context: Context, archive: Path) -> None:
    name = f"{image.repository}:{image.tag}"
    order = Order(context=context.hash, images={target: image}, platforms=(_PLATFORMS[platform.machine()],), push=False)
    with tempfile.TemporaryDirectory(prefix="raibid-image-", dir=cache("scratch")) as scratch:
        directory = Path(scratch) / "context"
        context.write(directory)
        forget, build, _ = steps("buildah", target, image, order, directory, Path(scratch))
        _forgiving(*forget.argv[1:])
        # The bases are stand-ins: nobody is asked for a newer one.
        buildah(build.argv[1], "--pull-never", *build.argv[2:])
        # Not compressed, as the project's own OCI archive is: that takes longer than the build.
        draft = Path(scratch) / "image.tar"
        buildah("push", name, f"docker-archive:{draft}:{name}")
        shutil.move(draft, archive)


def _forgiving(*arguments: str) -> None:
    """Remove a manifest that may not be there."""
    known = buildah("images", "--quiet", "--filter", f"reference={arguments[-1]}")
    if known:
        buildah(*arguments)


def _forget(target: str) -> None:
    newest = sorted(cache("images").glob(f"{target}-*.tar"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in newest[_KEPT:]:
        old.unlink()


@contextmanager
def _alone() -> Iterator[None]:
    """One session builds, the others wait for its result."""
    with (cache("images") / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
