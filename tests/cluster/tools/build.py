"""`make cluster-tools`: builds the programs of the cluster tests that are neither on PATH nor in the cache.

Owns: which wrapper modules are to be built, the lock, the way into the cache, what is shown meanwhile.
Leaves to others: the table of programs and their places (`toolchain.py`), the Go client (`go.py`).

Exit codes: 0 all there, 1 something is missing or was not built, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import fcntl
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from tests.cluster.errors import ClusterError
from tests.cluster.tools import go
from tests.cluster.tools.toolchain import (
    TOOLS,
    WRAPPERS,
    Tool,
    cache_root,
    cached,
    laid_out,
    on_path,
    pinned,
    stamps,
)

COLD_SECONDS: Final = {"kubernetes": 330, "kustomize-controller": 110, "keda": 250, "gitea": 100, "sops": 70}
"""What a first build takes on two cores, downloads included; a bar needs an end."""
_STAGING: Final = ".building-"


@dataclass(frozen=True)
class Run:
    """One `go build`: the missing programs of one wrapper, which share what they compile."""

    wrapper: str
    tools: tuple[Tool, ...]

    @property
    def title(self) -> str:
        """What is built, for people."""
        return f"{self.wrapper} {self.tools[0].version} ({', '.join(tool.name for tool in self.tools)})"

    @property
    def cgo(self) -> bool:
        """Whether a C compiler takes part."""
        return any(tool.cgo for tool in self.tools)

    def arguments(self, into: Path) -> list[str]:
        """Of `go build`. Without the path and the commit in them, two checkouts share one build."""
        first = self.tools[0]
        flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-tags", first.tags, "-ldflags", stamps(first)]
        return [*flags, "-o", f"{into}/", *(tool.package for tool in self.tools)]


def unbuilt(tools: Iterable[Tool]) -> list[Tool]:
    """Those that `toolchain.tool` would not find."""
    return [tool for tool in tools if not on_path(tool) and not cached(tool).exists()]


def bare(tools: Iterable[Tool]) -> list[Tool]:
    """Those for which `toolchain.static` would find nothing."""
    return [tool for tool in tools if tool.reads and not laid_out(tool).exists()]


def runs(tools: Iterable[Tool]) -> list[Run]:
    """One per wrapper, in the table's order."""
    by_wrapper: dict[str, list[Tool]] = {}
    for tool in tools:
        by_wrapper.setdefault(tool.wrapper, []).append(tool)
    return [Run(wrapper, tuple(group)) for wrapper, group in by_wrapper.items()]


@contextmanager
def locked(root: Path, console: Console) -> Iterator[None]:
    """One build at a time in a cache: a second one waits and then finds everything there."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print("another build is under way: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in root.glob(f"{_STAGING}*"):  # of a build that was killed: nobody else has the lock
            shutil.rmtree(left)
        yield


class Shown:
    """Progress: a bar on a terminal, a line at each run's start and end anywhere else."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._began = 0
        self._task: TaskID | None = None
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            TextColumn("of about {task.total:.0f} s"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    @contextmanager
    def __call__(self, run: Run) -> Iterator[None]:
        self._began += 1
        title, about = f"{self._began} of {self._total}: {run.title}", COLD_SECONDS[run.wrapper]
        if not self._console.is_terminal:
            self._console.print(f"{title}: about {about} s the first time", soft_wrap=True)
        with self._progress:
            self._task = self._progress.add_task(title, total=about)
            yield
            self._progress.remove_task(self._task)

    def tick(self, seconds: float) -> None:
        """So many seconds of the current run are over."""
        if self._task is not None:
            self._progress.update(self._task, completed=seconds)

    def built(self, run: Run, seconds: float) -> None:
        """It is in the cache now."""
        self._console.print(f"{run.title}: built in {seconds:.0f} s", soft_wrap=True)


def build(run: Run, root: Path, shown: Shown) -> None:
    """Compile and move into the cache: a program is there whole or not at all. Raises go.BuildError."""
    with shown(run), tempfile.TemporaryDirectory(prefix=_STAGING, dir=root) as staging:
        seconds = go.build(
            WRAPPERS / run.wrapper,
            run.arguments(Path(staging)),
            cgo=run.cgo,
            log=root / f"{run.wrapper}.log",
            tick=shown.tick,
        )
        for tool in run.tools:
            target = cached(tool)
            target.parent.mkdir(parents=True, exist_ok=True)
            (Path(staging) / tool.built_name).replace(target)
    shown.built(run, seconds)


def lay_out(tool: Tool, root: Path) -> None:
    """Copy what it reads out of its module, whole or not at all. Raises go.BuildError."""
    module, version = pinned(tool.wrapper)
    source = go.module(WRAPPERS / tool.wrapper, f"{module}@v{version}")
    with tempfile.TemporaryDirectory(prefix=_STAGING, dir=root) as staging:
        whole = Path(staging) / "static"
        for name in tool.reads:
            shutil.copytree(source / name, whole / name)
        for path in (whole, *whole.rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)  # Go's module cache is read-only, and its copy would be for ever
        laid_out(tool).parent.mkdir(parents=True, exist_ok=True)
        whole.replace(laid_out(tool))


def build_missing(tools: Sequence[Tool], console: Console) -> int:
    """Build what is missing of these; how many programs that were. Raises go.BuildError."""
    if not unbuilt(tools) and not bare(tools):
        return 0
    root = cache_root()
    with locked(root, console):
        wanted = unbuilt(tools)
        todo = runs(wanted)
        for run in (*todo, *runs(bare(tools))):
            go.check(WRAPPERS / run.wrapper, cgo=run.cgo)
        shown = Shown(console, len(todo))
        for run in todo:
            build(run, root, shown)
        for tool in bare(tools):
            lay_out(tool, root)
    return len(wanted)


def listing() -> list[str]:
    """Every program: its version, and where it is found."""
    return [
        f"{tool.name:<24} {tool.version:<8} {on_path(tool) or (cached(tool) if cached(tool).exists() else 'missing')}"
        for tool in TOOLS.values()
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.tools.build", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*TOOLS, []], metavar="PROGRAM", help="which; default all")
    parser.add_argument("--list", action="store_true", help="what there is and where; builds nothing")
    parser.add_argument("--check", action="store_true", help="only say what is missing; builds nothing")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    options = _parser().parse_args(argv)
    console = Console(highlight=False)
    if options.list:
        console.print("\n".join(listing()), soft_wrap=True)
        return 0
    tools = [TOOLS[name] for name in options.names or TOOLS]
    if options.check:
        lacking = [f"{tool.name} {tool.version} is neither on PATH nor built" for tool in unbuilt(tools)]
        lacking += [f"what {tool.name} {tool.version} reads is not in the cache" for tool in bare(tools)]
        for line in lacking:
            console.print(f"{line}: `make cluster-tools`", soft_wrap=True)
        return int(bool(lacking))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        built = build_missing(tools, console)
    except ClusterError as error:
        Console(stderr=True, highlight=False).print(str(error), markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted: what was not finished is built the next time")
        return 130
    console.print(f"{len(tools)} programs are there, {built} of them new", soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
