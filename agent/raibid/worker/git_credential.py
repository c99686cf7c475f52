"""`python -m raibid.worker.git_credential get`: git's credential helper inside an agent.

Owns: answering git from the file that `contract.Env.GIT_CREDENTIALS_FILE` names, or from all files of that directory
(a pod mounts one per Secret), for the same protocol and host only.
Leaves to others: the files. Their lines are those of git-credential-store: `https://user:token@host[:port][/path]`.

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
    sys.stdout.write(answer(asked, _lines(Path(file))))
    return 0


def _lines(path: Path) -> list[str]:
    # The kubelet keeps `..data` and the like beside what it mounts; those are directories.
    files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
    return [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    sys.exit(main(sys.argv))
