"""`python -m raibid.worker.git_credential get`: git's credential helper inside an agent.

Owns: answering git from the file that `contract.Env.GIT_CREDENTIALS_FILE` names, for the same protocol and host only.
Leaves to others: the file. Its lines are those of git-credential-store: `https://user:token@host[:port][/path]`.

git's own store helper would do, if it did not also write to the file and fall back to others in HOME.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from raibid.contract import Env


def answer(asked: Mapping[str, str], lines: list[str]) -> str:
    """git's answer lines for the first matching credential, or nothing."""
    for line in lines:
        parts = urlsplit(line.strip())
        host = parts.netloc.rpartition("@")[2]
        fits = parts.scheme == asked.get("protocol") and host.lower() == asked.get("host", "").lower()
        if not fits or parts.username is None or parts.password is None:
            continue
        username, password = unquote(parts.username), unquote(parts.password)
        if asked.get("username", username) == username and "\n" not in username + password:
            return f"username={username}\npassword={password}\n"
    return ""


def main(argv: list[str], env: Mapping[str, str] = os.environ) -> int:
    """Answer `get`; `store` and `erase` change nothing."""
    file = env.get(Env.GIT_CREDENTIALS_FILE)
    if argv[1:] != ["get"] or not file:
        return 0
    asked = dict(line.rstrip("\n").split("=", 1) for line in sys.stdin if "=" in line)
    sys.stdout.write(answer(asked, Path(file).read_text(encoding="utf-8").splitlines()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
