"""A process's bytes as log text: valid UTF-8, plain line ends, no progress bars, no controls but tab and ESC.

Owns: what a log may contain.
Leaves to others: secrets (`mask.py`, which comes first), where the text goes (`job_log.py`).
"""

from __future__ import annotations

import codecs
import re
from typing import Final

# C0 but tab, line feed, carriage return and ESC (colours); DEL; C1, whose 0x9B is another ESC [.
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]")
_LINE_END: Final = re.compile(r"\r+\n")
_HELD: Final = 4096
"""Characters of an unfinished line that wait for its end: a later `\\r` may overwrite them."""


class TextCleaner:
    """`feed` bytes cut anywhere, then `flush`. What a `\\r` overwrote is dropped, as a terminal would show it.

    A line longer than 4,096 characters is passed on in pieces, so that no line costs more memory than that; a `\\r`
    in it starts a new line, because what is out cannot be overwritten any more.
    """

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._held = ""  # of the current line; may end in \r
        self._open = False  # a piece of the current line is out
        self._redrawn = False  # the current line has had a \r

    def feed(self, data: bytes) -> bytes:
        """The text that is settled by now."""
        text = self._settle(self._decode(data))
        cut = text.rfind("\n") + 1
        if cut:
            self._open = False
        self._redrawn = b"\r" in data[data.rfind(b"\n") + 1 :] or (self._redrawn and not cut)
        out, rest = text[:cut], text[cut:]
        if len(rest) > _HELD:
            visible = rest.rstrip("\r")
            out, rest, self._open = out + visible, rest[len(visible) :], True
        self._held = rest
        return out.encode()

    def unfinished(self) -> bytes:
        """An unfinished line so far, such as a prompt, to be shown now. Not a progress bar: it would fill the log."""
        if self._redrawn or not self._held:
            return b""
        text, self._held, self._open = self._held, "", True
        return text.encode()

    def flush(self) -> bytes:
        """The rest of an unfinished line."""
        text = self._settle(self._decode(b"", True)).rstrip("\r")
        self._held, self._open, self._redrawn = "", False, False
        return text.encode()

    def _settle(self, new: str) -> str:
        text = self._held + _CONTROL.sub("\ufffd", new)
        if "\r" not in text:
            return text
        body = text.rstrip("\r")  # whether a last \r ends the line is not known yet
        lines = _LINE_END.sub("\n", body).split("\n")
        first, *others = lines
        if "\r" in first and self._open:
            first = "\n" + first.rpartition("\r")[2]
        settled = [first.rpartition("\r")[2], *(line.rpartition("\r")[2] for line in others)]
        return "\n".join(settled) + ("\r" if len(body) < len(text) else "")


_ESCAPE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])?")


def visible(text: str) -> str:
    """A text without colours and with nothing in it that cannot be seen, but line ends.

    Invisible characters include those that turn the direction of writing: a name must not look like another one.
    """
    seen = _ESCAPE.sub("", text).replace("\r\n", "\n").expandtabs(4)
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in seen)


def excerpt(text: str, limit: int, *, lines: bool = False) -> str:
    """The beginning of a text; without `lines` on one line."""
    shown = text if lines else " ".join(text.split())
    return shown if len(shown) <= limit else shown[: limit - 1].rstrip() + "…"
