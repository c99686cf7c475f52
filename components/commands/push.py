"""`components push`: one emission from stdin into Git.

Owns: reading the request, ending cleanly when stopped, what is said at the end.
Leaves to others: the push (`fleet.push`), the request's fields (`fleet.request`).
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

from components.commands.terminal import PLAIN, USAGE, CommandError, Output, line
from components.fleet.push import push as push_tree
from components.fleet.request import read_request


def push(*, output: Output = PLAIN) -> int:
    """Push an emission to its Git repository; `pulumi up` runs this with everything on stdin.

    The request is one JSON object: url, branch, username, password, environment, stack, digest, version, files
    (path to text), secrets (path to Secret, encrypted here), unavailable, seeds, recipients, identity, overwrite.

    Files that the stack did not emit are never touched. A file that somebody edited since is refused by name, unless
    overwrite is true. Nothing is pushed by force; when it fails, the repository is as it was.

    For example:
      python -m components up --stack local                # builds the request, and pushes
      python -m components push --json < request.json      # the answer: revision, written, deleted, missing
    """
    if sys.stdin.isatty():
        raise CommandError("no request on stdin", "python -m components push --help describes it", USAGE)
    # A stopped push removes its scratch directory, as after Ctrl-C.
    signal.signal(signal.SIGTERM, _stop)
    request = read_request(sys.stdin.buffer.read())
    output.say(f"pushing {len(request.files)} files and {len(request.secrets)} Secrets to {request.url}")
    result = push_tree(request)
    for notice in result.notices:
        sys.stderr.write(f"notice: {notice}\n")
    if output.json:
        output.emit(result.model_dump(mode="json"))
        return 0
    if not result.pushed:
        line(f"{request.branch} is up to date at {result.revision}")
        return 0
    line(f"{request.branch} is at {result.revision}: {len(result.written)} written, {len(result.deleted)} deleted")
    return 0


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
