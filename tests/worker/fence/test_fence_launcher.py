"""The process that goes behind the fence and becomes the step: what it lets happen before, what is told after."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from raibid.worker import landlock, steps
from raibid.worker.errors import InfrastructureError, JobFaultError
from raibid.worker.fence import OLDEST_ABI, Fence
from raibid.worker.workspace import Workspace

from tests.worker.fence.conftest import Inside

pytestmark = pytest.mark.skipif(landlock.version() < OLDEST_ABI, reason="no Landlock here, or an old one")


def test_nothing_of_the_checkout_or_the_pipeline_runs_before_the_fence_stands(
    inside: Inside, room: Workspace, secrets: Path
) -> None:
    steal = f"import sys; sys.stderr.write(open('{secrets}/secrets/TOKEN').read())"
    for name in ("raibid/__init__.py", "json.py", "ctypes.py", "sitecustomize.py", "usercustomize.py", "landlock.py"):
        (room.checkout / name).parent.mkdir(exist_ok=True)
        (room.checkout / name).write_text(steal)
    (room.checkout / "env.sh").write_text(f"cat {secrets}/secrets/TOKEN")
    inside.env |= {
        "PYTHONPATH": str(room.checkout),
        "BASH_ENV": str(room.checkout / "env.sh"),
        "PYTHONSTARTUP": "json.py",
    }
    inside.ends("echo ran")
    assert "sentinel" not in inside.output


def test_exit_codes_and_signals_are_the_steps_own(inside: Inside) -> None:
    assert inside.ends("exit 3").exit_code == 3
    assert inside.ends("kill -SEGV $$").exit_code == -signal.SIGSEGV
    assert inside.ends("false | true; echo never").exit_code == 1


def test_what_a_step_left_in_the_background_ends_with_it(inside: Inside) -> None:
    background = inside.says("setsid sh -c 'trap \"\" TERM; sleep 1000' > /dev/null & echo $!")
    assert not Path("/proc", background).exists()


def test_a_timeout_ends_a_step(inside: Inside) -> None:
    assert inside.ends("sleep 1000", timeout=1.0).cause == steps.TIMEOUT


def test_an_rlimit_put_up_outside_holds_inside_and_cannot_be_lifted(inside: Inside) -> None:
    assert inside.ends("ulimit -d unlimited", prelude="ulimit -d 100000; ").exit_code != 0
    assert inside.says("ulimit -d") == "unlimited"
    inside.ends("ulimit -d", prelude="ulimit -d 100000; ")
    assert inside.output.strip() == "100000"


def test_a_step_is_put_into_its_cgroup_before_the_fence_stands(inside: Inside, tmp_path: Path) -> None:
    procs = tmp_path / "cgroup.procs"
    inside.ends("echo $$", prelude=f"echo $$ > '{procs}'; ")
    assert procs.read_text() == inside.output


def test_peak_memory_is_the_steps_and_not_the_launchers(inside: Inside) -> None:
    # Less than this process itself has had would count as not known.
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + 100_000_000
    ended = inside.ends(f'/usr/bin/env python3 -c "x = bytearray({size}); print(len(x))"')
    assert size < ended.peak_rss < size + 60_000_000
    assert inside.ends("true").peak_rss == 0


def test_a_script_that_no_system_can_start_is_the_jobs_fault(inside: Inside) -> None:
    with pytest.raises(JobFaultError, match="cannot be given this script"):
        inside.ends("x" * 200_000)


def test_an_environment_that_no_system_can_give_is_the_jobs_fault(inside: Inside) -> None:
    inside.env["BROKEN"] = "a\0b"
    with pytest.raises(JobFaultError, match="cannot be given this script or environment: Invalid argument"):
        inside.ends("true")


def test_a_launcher_that_never_got_so_far_is_infrastructure_and_no_failed_step(inside: Inside) -> None:
    with pytest.raises(InfrastructureError, match=r"does not start behind its fence \(launcher\)"):
        inside.ends("echo never", prelude="ulimit -d 100; ")
    assert "never" not in inside.output.split()


def test_a_launcher_that_dies_while_it_puts_up_the_fence_is_infrastructure_and_no_failed_step(
    around: Fence, inside: Inside
) -> None:
    *_, order, fault = around.behind(steps.shell("echo never"), inside.env)
    dies = f"import os, sys; sys.path.insert(0, {str(Path(landlock.__file__).parent)!r}); import landlock; "
    dies += f"landlock.restrict = lambda *_: os._exit(0); landlock.main(['', {order!r}, {fault!r}])"
    subprocess.run([sys.executable, "-I", "-c", dies], check=True)
    with pytest.raises(InfrastructureError, match=r"does not start behind its fence \(launcher\)"):
        around.check("the step")


def test_a_program_that_cannot_be_started_is_infrastructure(around: Fence, inside: Inside) -> None:
    inside.around = replace(around, paths=())
    with pytest.raises(InfrastructureError, match=r"does not start behind its fence \(start\): Permission denied"):
        inside.ends("true")


def test_the_launcher_is_small_and_needs_nothing_but_the_standard_library() -> None:
    folder = str(Path(landlock.__file__).parent)
    code = f"import sys; sys.path.insert(0, {folder!r}); import landlock; print(landlock.version())"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == landlock.version()


@pytest.mark.parametrize("abi", range(1, landlock.version() + 1))
def test_the_fence_stands_on_every_kernel_that_knows_it_as_far_as_it_does(
    abi: int, around: Fence, inside: Inside, secrets: Path
) -> None:
    script = f"echo ran; cat {secrets}/secrets/TOKEN"
    *_, order, fault = around.behind(steps.shell(script), inside.env)
    older = f"import sys; sys.path.insert(0, {str(Path(landlock.__file__).parent)!r}); import landlock; "
    older += f"landlock.version = lambda: {abi}; landlock.main(['', {order!r}, {fault!r}])"
    done = subprocess.run([sys.executable, "-I", "-c", older], capture_output=True, text=True, cwd="/", check=False)
    around.check("the step")
    assert (done.stdout, "Permission denied" in done.stderr) == ("ran\n", True)
