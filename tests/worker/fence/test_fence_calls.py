"""System calls that go around Landlock, each tried against a process or a port outside."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from raibid.contract import Env
from raibid.worker import landlock
from raibid.worker.config import AgentConfig
from raibid.worker.fence import OLDEST_ABI, fence
from raibid.worker.workspace import Workspace

from tests.worker.fence.conftest import Inside

pytestmark = [
    pytest.mark.skipif(landlock.version() < OLDEST_ABI, reason="no Landlock here, or an old one"),
    pytest.mark.skipif(os.uname().machine not in landlock.MACHINES, reason="no filter for this machine"),
]


class Python:
    """Runs Python behind the fence. ENOTSUP is Python's name for EOPNOTSUPP."""

    def __init__(self, inside: Inside) -> None:
        self.inside = inside

    def says(self, code: str) -> str:
        """Its output; of what is refused the errno's name."""
        file = self.inside.room.tmp / "step.py"
        file.write_text(
            f"{_PRELUDE}\ntry:\n    {code}\nexcept OSError as error:\n    print(errno.errorcode[error.errno])\n"
        )
        return self.inside.says(f"{sys.executable} -I {file}")


_PRELUDE = """
import ctypes, errno, os, resource, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(*numbers):
    if libc.syscall(*map(ctypes.c_long, numbers)) < 0:
        raise OSError(ctypes.get_errno(), "")
"""


@pytest.fixture
def python(inside: Inside) -> Python:
    return Python(inside)


@pytest.fixture
def ledger(inside: Inside, config: AgentConfig, room: Workspace) -> Iterator[socket.socket]:
    """A server whose port is closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        inside.around = fence(replace(config, environment={**config.environment, Env.REDIS_URL: url}), room, inside.env)
        yield server


def unheard(server: socket.socket) -> bool:
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return True
    return False


def test_no_step_limits_the_cpu_time_of_a_process_outside(python: Python) -> None:
    with subprocess.Popen(["sleep", "1000"]) as victim:
        try:
            before = resource.prlimit(victim.pid, resource.RLIMIT_CPU)
            said = python.says(f"resource.prlimit({victim.pid}, resource.RLIMIT_CPU, (1, 1)); print('done')")
            assert said == "EPERM"
            assert resource.prlimit(victim.pid, resource.RLIMIT_CPU) == before
        finally:
            victim.kill()


def test_a_step_limits_itself(python: Python) -> None:
    assert python.says("resource.setrlimit(resource.RLIMIT_CPU, (77, 77)); os.system('ulimit -t')") == "77"


AROUND_CONNECT = {
    "sendto": ("ENOTSUP", "socket.socket().sendto(b'PING', socket.MSG_FASTOPEN, ('127.0.0.1', {port}))"),
    "sendmsg": ("ENOTSUP", "socket.socket().sendmsg([b'PING'], [], socket.MSG_FASTOPEN, ('127.0.0.1', {port}))"),
    "MPTCP": ("EPROTONOSUPPORT", "socket.socket(proto=262).connect(('127.0.0.1', {port}))"),
    "SMC": ("EAFNOSUPPORT", "socket.socket(43).connect(('127.0.0.1', {port}))"),
    "SMC as a protocol": ("EPROTONOSUPPORT", "socket.socket(proto=256).connect(('127.0.0.1', {port}))"),
    "SMC by TCP_ULP": ("ENOPROTOOPT", "socket.socket().setsockopt(socket.IPPROTO_TCP, 31, b'smc')"),
    "connect": ("EACCES", "socket.socket().connect(('127.0.0.1', {port}))"),
}


@pytest.mark.skipif(landlock.version() < landlock.PORTS_SINCE, reason="this kernel does not restrict ports")
@pytest.mark.parametrize(("answer", "code"), AROUND_CONNECT.values(), ids=AROUND_CONNECT.keys())
def test_a_closed_port_is_closed_to(answer: str, code: str, python: Python, ledger: socket.socket) -> None:
    assert python.says(code.format(port=ledger.getsockname()[1])) == answer
    assert unheard(ledger)


def test_fast_open_to_many_at_once_and_rings_of_calls_are_refused(python: Python) -> None:
    _, numbers = landlock.MACHINES[os.uname().machine]
    assert python.says(f"call({numbers['sendmmsg']}, -1, 0, 0, {socket.MSG_FASTOPEN})") == "ENOTSUP"
    assert python.says(f"call({numbers['io_uring_setup']}, 1, 0)") == "EPERM"


def test_the_upper_half_of_an_int_is_nobodys_way_in(python: Python) -> None:
    _, numbers = landlock.MACHINES[os.uname().machine]
    assert python.says(f"call({numbers['socket']}, 2, 1, 262 + (1 << 32))") == "EPROTONOSUPPORT"
    assert python.says(f"call({numbers['prlimit64']}, 1 << 32, 0, 0, 0); print('self')") == "self"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of another architecture")
def test_the_same_calls_by_their_x32_numbers_do_not_exist(python: Python) -> None:
    assert python.says("call(0x40000000 + 302, 1, 0, 0, 0)") == "ENOSYS"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="machine code")
def test_the_same_calls_by_their_32_bit_numbers_do_not_exist(python: Python, tmp_path: Path) -> None:
    # mov eax, 340 (prlimit64); xor ebx, ebx; xor ecx, ecx; xor edx, edx; xor esi, esi; int 0x80; ret
    code = "53 b8 54 01 00 00 31 db 31 c9 31 d2 31 f6 cd 80 5b c3"
    script = (
        "import mmap; page = mmap.mmap(-1, 4096, prot=7); page.write(bytes.fromhex('" + code + "')); "
        "run = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page))); "
        "print(errno.errorcode[-run()])"
    )
    assert python.says(script) == "ENOSYS"


def test_the_filter_is_added_to_one_that_a_container_has(inside: Inside) -> None:
    assert inside.says("grep Seccomp_filters: /proc/self/status") != "Seccomp_filters:\t0"
    code = "import landlock; landlock._libc.prctl(38, 1, 0, 0, 0); landlock.refuse_calls(); landlock.refuse_calls()"
    folder = str(Path(landlock.__file__).parent)
    code = f"import sys; sys.path.insert(0, {folder!r}); {code}; print('twice')"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "twice\n"


@pytest.mark.parametrize("machine", landlock.MACHINES)
def test_every_machine_has_a_number_for_every_call_that_is_refused(machine: str) -> None:
    _, numbers = landlock.MACHINES[machine]
    assert {call for call, _, _ in landlock._REFUSED} == set(numbers)
    assert len(set(numbers.values())) == len(numbers)
