"""Landlock: a program that can touch only what a list names, for good, and so can all it starts.

Owns: the kernel's three system calls, a seccomp filter against those that go around them, and the launcher that gives
up its rights and becomes the program: `python -I -S landlock.py ORDER FAULT`.
Leaves to others: what is on the list (`fence.py`).

The agent keeps its own rights, so it is not the agent that calls the kernel but a process between it and the step. That
one imports the standard library only, and is run by its path: `-m` would look into the working directory first, which
is a stranger's checkout.

No package of the index does it: those that there are have one author and versions below 1, and that part is 80 lines.
Source of all numbers: linux/include/uapi/linux/{landlock,seccomp,filter,audit}.h; Landlock's own calls have the same
numbers on x86-64 and aarch64.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import stat
import struct
import sys
from enum import IntFlag
from pathlib import Path
from typing import Any, Final

_libc = ctypes.CDLL(None, use_errno=True)
_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_ASK_VERSION: Final = 1
_PATH_BENEATH: Final = 1
_NET_PORT: Final = 2
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP_MODE_FILTER: Final = 2
_CAPABILITY_VERSION: Final = 0x20080522
_CAPABILITY_BYTES: Final = 2 * 3 * 4  # twice 32 bits of effective, permitted, inheritable
_PORTS: Final = range(65536)


class Access(IntFlag):
    """Rights on files (LANDLOCK_ACCESS_FS_*)."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


READ: Final = Access.READ_FILE | Access.READ_DIR
RUN: Final = READ | Access.EXECUTE
_DEVICES: Final = Access.MAKE_CHAR | Access.MAKE_BLOCK
_ALL: Final = Access((1 << 16) - 1)
WRITE: Final = _ALL & ~_DEVICES
_OF_FILES: Final = Access.EXECUTE | Access.WRITE_FILE | Access.READ_FILE | Access.TRUNCATE | Access.IOCTL_DEV
_SINCE: Final = ((2, Access.REFER), (3, Access.TRUNCATE), (5, Access.IOCTL_DEV))
"""From which version (ABI) on the kernel knows a right. One it does not know it refuses to be told of."""

_CONNECT_TCP: Final = 1 << 1
_SCOPES: Final = 0b11  # abstract Unix sockets, signals: both stay within the fence

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS: four bytes of struct seccomp_data
_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000
_NUMBER: Final = 0  # offsets in struct seccomp_data
_ARCHITECTURE: Final = 4
_ARGUMENTS: Final = 16
_X32: Final = 0x40000000  # x86-64's calls with 32-bit pointers: the same ones, by numbers with this bit

_CALLS: Final = ("prlimit64", "socket", "setsockopt", "sendto", "sendmsg", "sendmmsg", "io_uring_setup")
MACHINES: Final = {
    "x86_64": (0xC000003E, dict(zip(_CALLS, (302, 41, 54, 44, 46, 307, 425), strict=True))),
    "aarch64": (0xC00000B7, dict(zip(_CALLS, (261, 198, 208, 206, 211, 269, 425), strict=True))),
}
"""Where there is a filter: the kernel's name for their calls' numbers (AUDIT_ARCH_*), and these."""

_FAST_OPEN: Final = 0x20000000  # MSG_FASTOPEN
_REFUSED: Final = (
    # Landlock is not asked about another process's limits, and with RLIMIT_CPU the kernel kills it: SIGXCPU, SIGKILL.
    ("prlimit64", errno.EPERM, ((0, "other than", 0),)),
    # These connect to TCP ports, and Landlock (6.18) looks at TCP's own sockets only: AF_SMC, IPPROTO_SMC, _MPTCP.
    ("socket", errno.EAFNOSUPPORT, ((0, "is", 43),)),
    ("socket", errno.EPROTONOSUPPORT, ((2, "is", 256),)),
    ("socket", errno.EPROTONOSUPPORT, ((2, "is", 262),)),
    ("setsockopt", errno.ENOPROTOOPT, ((1, "is", 6), (2, "is", 31))),  # TCP_ULP makes a TCP socket one of SMC's
    # TCP Fast Open connects while it sends. The errno is that of a system where it is switched off.
    ("sendto", errno.EOPNOTSUPP, ((3, "has", _FAST_OPEN),)),
    ("sendmsg", errno.EOPNOTSUPP, ((2, "has", _FAST_OPEN),)),
    ("sendmmsg", errno.EOPNOTSUPP, ((3, "has", _FAST_OPEN),)),
    ("io_uring_setup", errno.EPERM, ()),  # the same once more, where no filter sees it
)
"""Call, what it answers, and if it does so only then: what all of these arguments are. Each an int: the lower half."""

FENCE: Final = "fence"
START: Final = "start"
PORTS_SINCE: Final = 4
SCOPES_SINCE: Final = 6


def version() -> int:
    """The kernel's Landlock ABI, 0 if it has none or does not let this process use it."""
    if sys.platform != "linux":
        return 0  # the number is some other call there
    try:
        return _call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION))
    except OSError:  # ENOSYS: not built in; EOPNOTSUPP: not switched on at boot; EPERM: a seccomp filter
        return 0


def restrict(paths: list[tuple[str, int]], closed_ports: list[int]) -> None:
    """From now on this process and its children have these rights (`Access`) below these paths, and no others; nor any
    capability.

    What the kernel is too old for is not restricted. Paths that are not there are left out.

    Raises:
        OSError: the kernel refuses.
    """
    abi = version()
    known = _ALL
    for since, right in _SINCE:
        if abi < since:
            known &= ~right
    ruleset = _ruleset(abi, known, ports=bool(closed_ports))
    for path, rights in paths:
        _allow_path(ruleset, path, rights & known)
    if closed_ports and abi >= PORTS_SINCE:
        _allow_ports(ruleset, set(_PORTS) - set(closed_ports))
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)
    _drop_capabilities()


def refuse_calls() -> None:
    """From now on this process and its children cannot go around `restrict`, which must have been called.

    Programs for another architecture (32 bits) can do nothing at all: their calls have other numbers. On a machine that
    is not one of `MACHINES` nothing is refused.

    Raises:
        OSError: the kernel has no filters.
    """
    if (machine := MACHINES.get(os.uname().machine)) is None:
        return
    code = b"".join(struct.pack("=HBBI", *each) for each in _program(*machine))
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(held))
    if _libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), program, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


def _program(architecture: int, numbers: dict[str, int]) -> list[tuple[int, int, int, int]]:
    """Instructions: operation, how many to skip if true, how many if false, operand."""
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _REFUSE | errno.ENOSYS),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _REFUSE | errno.ENOSYS),
    ]
    for call, answer, conditions in _REFUSED:
        rest = [(_RETURN, 0, 0, _REFUSE | answer)]
        for argument, relation, value in reversed(conditions):
            operation = _ANY_BIT if relation == "has" else _EQUAL
            past = len(rest)
            skips = (past, 0) if relation == "other than" else (0, past)
            rest = [(_LOAD, 0, 0, _ARGUMENTS + 8 * argument), (operation, *skips, value), *rest]
        program += [(_LOAD, 0, 0, _NUMBER), (_EQUAL, 0, len(rest), numbers[call]), *rest]
    return [*program, (_RETURN, 0, 0, _ALLOW)]


def _drop_capabilities() -> None:
    """For an agent that is root: CAP_PERFMON alone opens /proc/PID/environ to whoever may not trace that process
    (mm_access in the kernel's fork.c). With no_new_privs an exec gives none back, root or not."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    if _libc.capset(header, bytes(_CAPABILITY_BYTES)):
        raise OSError(ctypes.get_errno(), "capset")


def _ruleset(abi: int, rights: int, *, ports: bool) -> int:
    attributes = struct.pack("=Q", rights)
    if abi >= PORTS_SINCE:
        attributes += struct.pack("=Q", _CONNECT_TCP if ports else 0)
    if abi >= SCOPES_SINCE:
        attributes += struct.pack("=Q", _SCOPES)
    return _call(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))


def _allow_path(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return  # what is not there, or not for this user, needs no rule
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _OF_FILES
        rule = struct.pack("=Qi", rights, descriptor)
        _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint32(0))
    finally:
        os.close(descriptor)


def _allow_ports(ruleset: int, ports: set[int]) -> None:
    """The kernel has no rule that closes a port: all others are opened. 65,534 rules take 0.1 s (2026-11-21)."""
    for port in ports:
        rule = struct.pack("=QQ", _CONNECT_TCP, port)
        _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_NET_PORT), rule, ctypes.c_uint32(0))


def _call(number: int, *args: object) -> int:
    result = int(_libc.syscall(ctypes.c_long(number), *args))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def main(argv: list[str]) -> int:
    """Become what the order says (`argv`, `env`), behind its fence (`paths`, `closed_ports`). Returns if it cannot.

    The file FAULT is emptied when nothing is left to be done but that. What then goes wrong is in it, as an error
    number and a word: the program's own exit codes are free.
    """
    order: dict[str, Any] = json.loads(Path(argv[1]).read_text(encoding="utf-8"))
    with Path(argv[2]).open("r+", encoding="utf-8") as fault:  # opened now: behind the fence it cannot be
        try:
            restrict(order["paths"], order["closed_ports"])
            refuse_calls()
        except OSError as error:
            fault.truncate()
            fault.write(f"{error.errno} {FENCE}")
            return 1
        fault.truncate()
        try:
            os.execve(order["argv"][0], order["argv"], order["env"])  # noqa: S606 - the whole purpose
        except (OSError, ValueError) as error:  # ValueError: a NUL
            fault.write(f"{getattr(error, 'errno', errno.EINVAL)} {START}")
            return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
