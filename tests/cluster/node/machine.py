"""A machine within this machine: PID and mount namespaces of its own, in which containerd and kubelet run.

Owns: the namespaces' first process, the directories that containerd and kubelet name by heart, a control group.
Leaves to others: what runs in it (`containerd.py`, `kubelet.py`), its network (`network.py`).

Its first process dies with the test run, and the kernel then ends every process of its PID namespace: shims and pods
that would outlive containerd. Mounts go with the mount namespace. What is left to remove is directories, which
`leftovers.py` does for sessions that died.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from tests.cluster.parts.process import Part
from tests.cluster.tools.toolchain import system_program

CGROUPS: Final = Path("/sys/fs/cgroup")
_BY_HEART: Final = ("/run/containerd", "/var/lib/kubelet", "/var/lib/cni", "/var/log/containers", "/var/log/pods")
"""Directories that no option of these programs moves: this machine's are covered by empty ones."""
_DELEGATED: Final = frozenset({"cpu", "cpuset", "memory", "hugetlb", "pids"})
"""What a kubelet wants of its group, as far as the machine has it: 1.34 refuses one without hugetlb where that is."""
_END_BUDGET: Final = 30.0
_FIRST = """
set -e
mount --make-rshared /
for directory in {by_heart}; do mount -t tmpfs -o mode=0755 raibid "$directory"; done
touch {ready}
sleep infinity &
# The shell reaps what is left to the first process of a PID namespace.
wait
"""


class Machine(Part):
    """The namespaces; `inside` runs a program in them."""

    def __init__(self, directory: Path, name: str) -> None:
        self.cgroup: Final = name
        self._mark: Final = directory / "ready"
        for path in _BY_HEART:
            Path(path).mkdir(parents=True, exist_ok=True)
        script = _FIRST.format(by_heart=" ".join(_BY_HEART), ready=self._mark)
        unshare = str(system_program("unshare", "util-linux"))
        namespaces = ["--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]
        super().__init__("machine", directory, [unshare, *namespaces, "sh", "-c", script], ready=self._mark.exists)

    def launch(self) -> Self:
        """Start it without waiting."""
        self._mark.unlink(missing_ok=True)
        make_cgroup(self.cgroup)
        super().launch()
        return self

    def stop(self) -> None:
        """End it, and with it every process that runs in it; SIGTERM would only end the program that waits for it."""
        if self.pid:
            # Its first process has ended when all others have.
            first = os.pidfd_open(self.first)
            try:
                self.kill()
                select.select([first], [], [], _END_BUDGET)
            finally:
                os.close(first)
        remove_cgroup(self.cgroup)

    @property
    def first(self) -> int:
        """Process id of the namespaces' first process."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return int(children[0])

    def inside(self, argv: Sequence[str | Path]) -> list[str]:
        """The command line that runs `argv` in it."""
        enter = [str(system_program("nsenter", "util-linux")), f"--target={self.first}", "--mount", "--pid", "--"]
        # nsenter stays outside and waits: what it runs has to end with it.
        end = [str(system_program("setpriv", "util-linux")), "--pdeathsig", "KILL", "--"]
        return [*enter, *end, *map(str, argv)]


class Inhabitant(Part):
    """A part that runs in a machine."""

    def __init__(
        self,
        name: str,
        machine: Machine,
        directory: Path,
        argv: Sequence[str | Path],
        *,
        ready: Callable[[], bool],
        env: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(name, directory, argv, ready=ready, env={**_DIRECT, **(env or {})})
        self._machine = machine
        self._inner = [str(argument) for argument in argv]

    def launch(self) -> Self:
        """Start it without waiting."""
        self._argv = self._machine.inside(self._inner)
        return super().launch()


_DIRECT: Final = {"NO_PROXY": "*", "no_proxy": "*"}


def controllers() -> list[Path]:
    """The hierarchies of control groups: one per controller in version 1, the only one in version 2."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return sorted(path for path in CGROUPS.iterdir() if (path / "cgroup.procs").exists() and not path.is_symlink())


def make_cgroup(name: str) -> None:
    """A group for one kubelet's pods: two kubelets in one would remove each other's."""
    for root in controllers():
        (root / name).mkdir(exist_ok=True)
        if (root / "cgroup.subtree_control").exists() and root == CGROUPS:
            there = _DELEGATED & set((root / "cgroup.controllers").read_text().split())
            (root / "cgroup.subtree_control").write_text(" ".join(f"+{each}" for each in sorted(there)))
        for figure in ("cpuset.cpus", "cpuset.mems"):  # empty in version 1, where a group without them runs nothing
            if (root / figure).exists():
                (root / name / figure).write_text((root / figure).read_text())


def residents(name: str) -> list[int]:
    """Processes in a group or below it."""
    files = [file for root in controllers() for file in (root / name).rglob("cgroup.procs")]
    return [int(line) for file in files for line in file.read_text().split()]


def remove_cgroup(name: str) -> None:
    """Remove a group and what is below it; its processes have ended."""
    for root in controllers():
        for directory, _, _ in os.walk(root / name, topdown=False):
            Path(directory).rmdir()
