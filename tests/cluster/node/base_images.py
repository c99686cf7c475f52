"""The images that agent/Dockerfile starts from, assembled from ordinary packages where no registry is.

Owns: a stand-in per `FROM`: Debian by mmdebstrap, Rust from this machine's toolchain, uv from its program; Buildah's
private storage in the per-user cache.
Leaves to others: building the Dockerfile on them (`agent_image.py`).

A stand-in differs from the published image: Debian's packages of today, Rust's toolchain as rustup left it here (of the
pinned version, without its documentation), this machine's own certificate authorities, so that downloads work where a
proxy signs them. BuildKit's client is not there at all: its dependencies cannot be had as modules, and no test builds
images; what stands in its place says so and fails.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from components.image.context import DOCKERFILE
from tests.cluster.errors import ClusterError
from tests.cluster.node.image_archive import cache
from tests.cluster.tools.toolchain import ToolMissingError, system_program

ROOT: Final = Path(__file__).parents[3]
_AUTHORITIES: Final = Path("/usr/local/share/ca-certificates")
_BUDGET: Final = 1800.0
_RECIPE: Final = 1
"""Raised with every change here that makes other stand-ins."""
_DEBIAN: Final = "FROM scratch\nADD rootfs.tar /\nCOPY authorities/ /usr/local/share/ca-certificates/\n"
_TRUST: Final = "RUN update-ca-certificates\nCOPY uv.toml /etc/uv/uv.toml\n"
_RUST: Final = """\
COPY rustup /usr/local/rustup
COPY cargo /usr/local/cargo
ENV RUSTUP_HOME=/usr/local/rustup CARGO_HOME=/usr/local/cargo RUST_VERSION={version} \\
    PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""
_BUILDCTL: Final = """\
#!/bin/sh
echo "buildctl: left out of the images of the cluster tests (tests/cluster/node/base_images.py)" >&2
exit 1
"""
_UNREAD: Final = ("doc", "man", "locale")
"""Directories of /usr/share that the published slim images leave out too."""


class ImageBuildError(ClusterError):
    """Buildah, or what it is given, failed; the message is the end of what it said."""


def buildah(*arguments: str | Path, stdin: str | None = None) -> str:
    """What Buildah prints, on storage of its own. Raises ImageBuildError."""
    storage = cache("buildah")
    configuration = storage / "storage.conf"
    configuration.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{storage}/graph"\nrunroot = "{storage}/run"\n'
    )
    environment = {
        **os.environ,
        "CONTAINERS_STORAGE_CONF": str(configuration),
        # Neither systemd nor a runtime: RUN is a chroot, with this machine's network.
        "BUILDAH_ISOLATION": "chroot",
        "BUILDAH_LAYERS": "true",
    }
    return run([system_program("buildah", "buildah"), *arguments], env=environment, stdin=stdin)


def run(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, stdin: str | None = None) -> str:
    """What a program prints. Raises ImageBuildError with the end of what it said."""
    done = subprocess.run(
        [str(argument) for argument in argv],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=_BUDGET,
        env=env,
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise ImageBuildError(f"{Path(argv[0]).name} {argv[1]} ended with {done.returncode}:\n{said}")
    return done.stdout.strip()


def references() -> list[str]:
    """What the Dockerfile starts from and does not make itself."""
    text = (ROOT / DOCKERFILE).read_text(encoding="utf-8")
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?", text, re.MULTILINE)
    own = {name for _, name in stages}
    return sorted({reference for reference, _ in stages} - own)


def recipes() -> dict[str, str]:
    """Reference → what its stand-in is made by, as a short digest: the same recipe gives as good a stand-in."""
    trusted = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(_AUTHORITIES.glob("*.crt")))).hexdigest()
    return {
        reference: hashlib.sha256(f"{_RECIPE} {reference} {trusted}".encode()).hexdigest()[:16]
        for reference in references()
    }


def provide() -> None:
    """Make every stand-in that Buildah's storage does not have yet, and call it what the Dockerfile calls it."""
    for reference, digest in recipes().items():
        stand_in = f"raibid.test/base:{digest}"
        if not buildah("images", "--quiet", "--filter", f"reference={stand_in}"):
            _make(reference, stand_in)
        buildah("tag", stand_in, reference)


def _make(reference: str, stand_in: str) -> None:
    with tempfile.TemporaryDirectory(prefix="raibid-base-", dir=cache("scratch")) as scratch:
        text = _prepare(reference, Path(scratch))
        (Path(scratch) / "Containerfile").write_text(text)
        options = ("--layers=false", "--format=docker", "--pull-never", f"--tag={stand_in}")
        buildah("build", *options, f"--file={scratch}/Containerfile", scratch)


def _prepare(reference: str, directory: Path) -> str:
    """Lay out what a stand-in holds; the Containerfile that takes it."""
    name, _, version = reference.rpartition("/")[2].partition(":")
    if name == "uv":
        return _program(_uv(), directory, "/uv")
    if name == "buildkit":
        (directory / "buildctl").write_text(_BUILDCTL)
        return _program(directory / "buildctl", directory, "/usr/bin/buildctl")
    packages = ["ca-certificates"] + (["gcc", "libc6-dev"] if name == "rust" else [])
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in _UNREAD]
    include = f"--include={','.join(packages)}"
    run([system_program("mmdebstrap", "mmdebstrap"), "--variant=minbase", include, *excluded, "bookworm",
         directory / "rootfs.tar"])  # fmt: skip
    _trust(directory / "authorities")
    (directory / "uv.toml").write_text("# What Debian trusts, not uv's own list.\nsystem-certs = true\n")
    if name == "rust":
        _toolchain(version.partition("-")[0], directory)
        return _DEBIAN + _TRUST + _RUST.format(version=version.partition("-")[0])
    return _DEBIAN + _TRUST


def _program(program: Path, directory: Path, place: str) -> str:
    shutil.copy(program, directory / "program")
    return f"FROM scratch\nCOPY --chmod=0755 program {place}\n"


def _uv() -> Path:
    """The uv that runs this project; a shim of a version manager would not run anywhere else."""
    candidates = [os.environ.get("UV", ""), shutil.which("uv") or ""]
    for candidate in candidates:
        if candidate and Path(candidate).read_bytes()[:4] == b"\x7fELF":
            return Path(candidate)
    raise ToolMissingError("no uv program: run the tests by `uv run`, which says where it is")


def _trust(directory: Path) -> None:
    directory.mkdir()
    for certificate in _AUTHORITIES.glob("*.crt"):
        shutil.copy(certificate, directory)


def _toolchain(version: str, directory: Path) -> None:
    """This machine's Rust, of the Dockerfile's version, in the places of the published image."""
    rustup = shutil.which("rustup")
    if rustup is None:
        raise ToolMissingError("rustup is not on PATH: install it, then `rustup toolchain install " + version + "`")
    asked = f"+{version}"
    sysroot = Path(run([Path(rustup).with_name("rustc"), asked, "--print", "sysroot"]))
    toolchain = directory / "rustup" / "toolchains" / f"{version}-{sysroot.name.partition('-')[2]}"
    shutil.copytree(sysroot, toolchain, symlinks=True, ignore=shutil.ignore_patterns("doc", "man"))
    (directory / "rustup" / "settings.toml").write_text(
        f'version = "12"\ndefault_toolchain = "{toolchain.name}"\nprofile = "minimal"\n'
    )
    programs = directory / "cargo" / "bin"
    programs.mkdir(parents=True)
    shutil.copy(Path(rustup).resolve(), programs / "rustup")
    for proxy in ("cargo", "rustc", "rustdoc", "rustfmt", "cargo-fmt", "cargo-clippy", "clippy-driver"):
        (programs / proxy).symlink_to("rustup")
