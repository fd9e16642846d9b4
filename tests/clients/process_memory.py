"""The memory of a process, as root reads it."""

import base64
import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

_WRITABLE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw.. \S+ \S+ \S+\s*(.*)")
_PAGE = os.sysconf("SC_PAGE_SIZE")
# Bits 63 and 62 of a page's entry: it is in memory, or swapped out (proc_pid_pagemap(5)).
_HELD = 0b11 << 62


def _held(pagemap: int, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of a mapping that hold something; an allocator reserves a thousand times as much."""
    pages = (end - begin) // _PAGE
    entries = memoryview(os.pread(pagemap, pages * 8, begin // _PAGE * 8)).cast("Q")
    assert len(entries) == pages
    first = None
    for page in range(pages + 1):
        if page < pages and entries[page] & _HELD:
            first = page if first is None else first
        elif first is not None:
            yield begin + first * _PAGE, begin + page * _PAGE
            first = None


def _is_stack(name: str, begin: str, before: str) -> bool:
    """Whether a mapping is a thread's stack, by the guard right before it."""
    return name == "[stack]" or not name and re.match(rf"[0-9a-f]+-{begin} ---p ", before) is not None


def read(pid: int) -> list[bytes]:
    """All that stands in the writable mappings of a process but its stacks: heap and data."""
    held, before = [], ""
    memory, pagemap = (os.open(f"/proc/{pid}/{name}", os.O_RDONLY) for name in ("mem", "pagemap"))
    try:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            found = _WRITABLE.fullmatch(line)
            if found and not _is_stack(found[3], found[1], before):
                for begin, end in _held(pagemap, int(found[1], 16), int(found[2], 16)):
                    # A heap may have shrunk meanwhile.
                    with contextlib.suppress(OSError):
                        held.append(os.pread(memory, end - begin, begin))
            before = line
    finally:
        os.close(memory)
        os.close(pagemap)
    assert sum(map(len, held)) > 1 << 20, "that is hardly a process"
    return held


def forms(secret: str | bytes) -> dict[str, bytes]:
    """How a secret may stand in memory, by its halves: an allocator writes into the first bytes of what it frees.

    In base64 it begins at any of three places of a group. The letters that neighbours have a part in are left out.
    """
    plain = secret.encode() if isinstance(secret, str) else secret
    assert len(plain) >= 32, "a half is found by chance"
    found = {}
    for half, part in (("first", plain[: len(plain) // 2]), ("second", plain[len(plain) // 2 :])):
        found[f"its {half} half"] = part
        for name, alphabet in (("base64", b"+/"), ("base64url", b"-_")):
            for before in range(3):
                encoded = base64.b64encode(b"\0" * before + part, alphabet).rstrip(b"=")
                found[f"its {half} half in {name}, {before} bytes into a group"] = encoded[-(-before * 8 // 6) : -1]
    return found


def found(pid: int, secrets: dict[str, str | bytes]) -> list[str]:
    """Names each of the secrets that stands in the memory of a process, and how."""
    held = read(pid)
    looked_for = ((name, form, part) for name, secret in secrets.items() for form, part in forms(secret).items())
    return [f"{name}: {form}" for name, form, part in looked_for if any(part in bytes_ for bytes_ in held)]
