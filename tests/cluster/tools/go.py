"""The Go client: whether it is there and new enough, and one `go build` with its progress and its end.

Owns: the question before a build (Go, its version, a C compiler), the child process, its log, what its errors mean.
Leaves to others: what is built and where it goes (`build.py`), how it is stamped (`toolchain.py`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from tests.cluster.errors import ClusterError
from tests.cluster.tools.toolchain import system_program

_TICK: Final = 0.5
_TAIL: Final = 15
_INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM)
_NO_NETWORK: Final = re.compile(r"dial tcp|no such host|TLS handshake timeout|i/o timeout|network is unreachable")
_INSTALL: Final = "install it (the archive of go.dev/dl, or golang-go where the distribution's is new enough)"


class BuildError(ClusterError):
    """A program of the cluster cannot be built; the message says what to do."""


def required(wrapper: Path) -> str:
    """The Go that a wrapper's go.mod asks for."""
    found = re.search(r"^go (\S+)$", (wrapper / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{wrapper.name}/go.mod says which Go it needs"
    return found[1]


def check(wrapper: Path, *, cgo: bool) -> None:
    """Raise BuildError where this wrapper cannot be built, before anything is downloaded."""
    needed = required(wrapper)
    if not shutil.which("go"):
        raise BuildError(f"Go {needed} or newer is needed and `go` is not on PATH: {_INSTALL}, then run this again")
    # Asked where it will build: Go 1.21 and newer fetch the toolchain that go.mod names, unless GOTOOLCHAIN forbids.
    asked = _ask(wrapper, "env", "GOVERSION", "CC")
    version, _, compiler = asked.stdout.strip().partition("\n")
    if asked.returncode or _numbers(version) < _numbers(needed):
        said = asked.stderr.strip() or f"the one on PATH is {version.removeprefix('go')}"
        raise BuildError(f"{wrapper.name} needs Go {needed} or newer ({said}): {_INSTALL}, then run this again")
    if cgo and not shutil.which(compiler.partition(" ")[0]):
        raise BuildError(f"{wrapper.name} needs a C compiler, {compiler} is not on PATH: apt-get install gcc libc6-dev")


def build(wrapper: Path, arguments: Sequence[str], *, cgo: bool, log: Path, tick: Callable[[float], None]) -> float:
    """Run `go build` in a wrapper's directory; `tick` hears the seconds. Returns how many it took.

    Raises:
        BuildError: with the end of its log. Whatever else ends this (Ctrl-C, SIGKILL) ends the compiler too.
    """
    began = time.monotonic()
    with log.open("wb") as output, ExitStack() as started:
        started.enter_context(_undisturbed())
        # If this process is killed, the kernel tells the compiler what Ctrl-C would.
        follows: list[str | Path] = [system_program("setpriv", "util-linux"), "--pdeathsig", "INT", "--"]
        process = subprocess.Popen(
            [*follows, "go", "build", *arguments],
            cwd=wrapper,
            env=_environment(cgo=cgo),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C comes here first; it then ends the compiler and its children
        )
        try:
            started.close()
            while process.poll() is None:
                tick(time.monotonic() - began)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=_TICK)
        finally:
            _end(process)
    if process.returncode:
        raise BuildError(f"{wrapper.name} was not built: {_reason(log.read_text(errors='replace'))}")
    return time.monotonic() - began


def module(wrapper: Path, pinned: str) -> Path:
    """The sources of `module@version`, downloaded where Go does not have them. Raises BuildError."""
    asked = _ask(wrapper, "mod", "download", "-json", pinned)
    if asked.returncode:
        raise BuildError(f"{pinned} was not downloaded: {_reason(asked.stdout + asked.stderr)}")
    return Path(json.loads(asked.stdout)["Dir"])


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals wait: one between the compiler's start and the `try` around it would leave it running."""
    came: list[int] = []
    before = {number: signal.signal(number, lambda got, _: came.append(got)) for number in _INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in came:
            signal.raise_signal(late)


def _ask(wrapper: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["go", *arguments], cwd=wrapper, env=_environment(cgo=True), capture_output=True, text=True, check=False
    )


def _environment(*, cgo: bool) -> dict[str, str]:
    # A go.work above the checkout would replace the wrapper's pins.
    return {**os.environ, "CGO_ENABLED": str(int(cgo)), "GOWORK": "off"}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _reason(log: str) -> str:
    end = "\n".join(log.splitlines()[-_TAIL:])
    if _NO_NETWORK.search(log):
        return f"Go could not download its modules; is there a network (GOPROXY and HTTPS_PROXY are honoured)?\n{end}"
    return f"\n{end}"


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)  # go removes its work directory then
        process.wait()
