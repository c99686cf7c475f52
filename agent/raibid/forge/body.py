"""An answer's body, read to a limit of bytes and of seconds: whoever answers may be a proxy, or a forge gone mad.

Owns: both limits.
Leaves to others: HTTP (`session.py`), what is in it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import requests

from raibid.forge.errors import ForgeAnswerError, ForgeSilentError

MOST_BYTES: Final = 32 * 1024 * 1024
"""The largest that is asked for, a hundred pull requests of GitHub's, is 2 MB; 300 MiB had cost us 650 MiB."""
MOST_SECONDS: Final = 60.0
"""From the headers to the last byte. The session's own timeout begins anew with every byte."""
_PIECE: Final = 64 * 1024


def read(answer: requests.Response, asked: str, *, seconds: float = MOST_SECONDS) -> bytes:
    """All of it, decompressed. `answer`: asked for as a stream. `asked`: method and URL, for the error.

    Raises:
        ForgeAnswerError: it is too large. ForgeSilentError: it takes too long. urllib3's HTTPError: it breaks off.
    """
    try:
        return b"".join(_pieces(answer, asked, seconds))
    except BaseException:
        answer.close()  # what is left of it must not be taken for the next answer
        raise


def _pieces(answer: requests.Response, asked: str, seconds: float) -> Iterator[bytes]:
    until, size = time.monotonic() + seconds, 0
    # `read1` comes back with what has arrived; `read` would wait for a whole piece, however slowly it comes.
    while piece := answer.raw.read1(_PIECE, decode_content=True):
        size += len(piece)
        if size > MOST_BYTES:
            raise ForgeAnswerError(f"{asked}: answered more than {MOST_BYTES >> 20} MiB")
        if time.monotonic() > until:
            raise ForgeSilentError(f"{asked}: was still answering after {seconds:g} s")
        yield piece
