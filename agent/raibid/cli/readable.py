"""What strangers wrote (live objects, repositories, forges) as a terminal may show it.

Owns: nothing in it that a terminal obeys, no line in it that looks like one of ours.
Leaves to others: printing (`output.py`), a job's log, which keeps its colours.
"""

from __future__ import annotations

import re
from typing import Final

_OBEYED: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but for tab and newline; what turns the direction of writing; halves of characters, which cannot
be written at all."""


def readable(text: str, *, below: str = "    ") -> str:
    r"""Control characters as `\x1b`; `below` goes before each line but the first: none of them can be forged."""
    return _OBEYED.sub(_escaped, text).replace("\n", f"\n{below}")


def _escaped(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
