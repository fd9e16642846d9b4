"""Runs a program under a unit's filter of system calls, as systemd would.

    python system_calls.py NUMBERS PROGRAM [ARGUMENTS]

NUMBERS are those of the calls that are allowed, with commas between; any other call fails with EPERM.
"""

import ctypes
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

_HEADER = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
_X86_64 = 0xC000003E
_EPERM = 1


def is_possible() -> bool:
    """Whether this machine has the numbers of its calls where this looks for them."""
    return os.uname().machine == "x86_64" and _HEADER.exists()


def _members(name: str) -> set[str]:
    """The calls of a set such as `@system-service`, with those of the sets in it."""
    if not name.startswith("@"):
        return {name}
    listed = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", name], capture_output=True, text=True, check=True)
    inside = [line.strip() for line in listed.stdout.splitlines()[1:]]
    return {call for line in inside if line and not line.startswith("#") for call in _members(line)}


def allowed(unit: str) -> list[int]:
    """The numbers of the calls that a unit's lines `SystemCallFilter=` allow: they add up, and those with `~` take away."""
    calls: set[str] = set()
    lines = re.findall(r"^SystemCallFilter=(~?)(.+)$", unit, re.MULTILINE)
    assert lines and not lines[0][0], "the first line says which calls are allowed"
    for takes_away, names in lines:
        members = {call for name in names.split() for call in _members(name)}
        calls = calls - members if takes_away else calls | members
    numbers = dict(re.findall(r"^#define __NR_(\w+) (\d+)$", _HEADER.read_text(), re.MULTILINE))
    return sorted(int(numbers[call]) for call in calls & set(numbers))


def command(unit: str, *words: str | Path) -> list[str | Path]:
    """The command that runs a program under a unit's filter."""
    return [sys.executable, __file__, ",".join(map(str, allowed(unit))), *words]


def _filter(numbers: list[int]) -> bytes:
    """The filter's program: linux/filter.h, seccomp(2)."""
    load, equal, end = 0x20, 0x15, 0x06
    refuse = struct.pack("HBBI", end, 0, 0, 0x00050000 | _EPERM)
    allow = struct.pack("HBBI", end, 0, 0, 0x7FFF0000)
    # The architecture is 4 bytes into the data, the number at its beginning.
    steps = [struct.pack("HBBI", load, 0, 0, 4), struct.pack("HBBI", equal, 1, 0, _X86_64), refuse, struct.pack("HBBI", load, 0, 0, 0)]
    for number in numbers:
        steps += [struct.pack("HBBI", equal, 0, 1, number), allow]
    return b"".join([*steps, refuse])


def _confine(numbers: list[int]) -> None:
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_char_p)]

    steps = _filter(numbers)
    program = Program(len(steps) // 8, steps)
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, seccomp, by_filter = 38, 22, 2
    for arguments in [(no_new_privileges, 1, 0, 0, 0), (seccomp, by_filter, ctypes.byref(program), 0, 0)]:
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "the filter isn't taken")


if __name__ == "__main__":
    _confine([int(number) for number in sys.argv[1].split(",")])
    os.execv(sys.argv[2], sys.argv[2:])
