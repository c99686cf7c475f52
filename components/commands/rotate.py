"""`components rotate`: other recipients, or new data keys, for every encrypted file of a checkout.

Owns: which files, all of them or none, what is said.
Leaves to others: the files' format (`sops`), committing the result (git, by whoever runs this).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from components import sops
from components.commands.terminal import PLAIN, USAGE, CommandError, Output, line


def rotate(
    what: Literal["recipients", "data-key"],
    *,
    checkout: Annotated[Path, Parameter(name="--dir")],
    identity: Path,
    recipient: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    output: Output = PLAIN,
) -> int:
    """Let other age keys open the Secrets of a checkout, or encrypt them under new data keys.

    `recipients` leaves the ciphertext of the values as it is. Whoever could open a file before still knows its data
    key: `data-key` ends that. All files are rewritten, or none; commit and push them yourself.

    For example:
      python -m components rotate recipients --dir fleet --identity age.txt      # as .sops.yaml says
      python -m components rotate recipients --dir fleet --identity age.txt --recipient age1… --recipient age1…
      python -m components rotate data-key --dir fleet --identity age.txt --json

    Parameters
    ----------
    what
        recipients: who can open the files. data-key: what their values are encrypted with.
    checkout
        A checkout of the Flux repository.
    identity
        An age key file that opens the files now.
    recipient
        With recipients: a public key that shall open them; repeat it. Without any, `.sops.yaml` says which.
    """
    if what == "data-key" and recipient:
        raise CommandError("--recipient goes with `rotate recipients`", "run that first, then `rotate data-key`", USAGE)
    if not checkout.is_dir():
        raise CommandError(f"{checkout}: no such directory", "give a checkout of the Flux repository with --dir", USAGE)
    keys, now = _read(identity), datetime.now(UTC)
    rules = _read(checkout / ".sops.yaml") if what == "recipients" and not recipient else ""

    def rewritten(path: str, data: bytes) -> bytes:
        if what == "data-key":
            return sops.rotate(data, keys, now=now)
        return sops.update_keys(data, keys, recipient or sops.recipients_by_rule(rules, path))

    files = [file for file in sorted(checkout.rglob("*.enc.y*ml")) if file.is_file() and not file.is_symlink()]
    if not files:
        raise CommandError(
            f"{checkout}: no *.enc.yaml in it", "give a checkout of the Flux repository with --dir", USAGE
        )
    changed: dict[Path, bytes] = {}
    for number, file in enumerate(files, 1):
        path = file.relative_to(checkout).as_posix()
        output.say(f"{number}/{len(files)} {path}")
        before = file.read_bytes()
        try:
            after = rewritten(path, before)
        except sops.SopsError as error:
            raise CommandError(f"{path}: {error}", "no file was changed") from error
        if after != before:
            changed[file] = after
    _replace(checkout, changed)
    names = [file.relative_to(checkout).as_posix() for file in changed]
    if output.json:
        output.emit({"files": len(files), "changed": names})
        return 0
    line(f"{len(names)} of {len(files)} files changed" + ("; commit and push them" if names else ""))
    return 0


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file}: cannot be read", "see --help for what it must be", USAGE) from error


def _replace(checkout: Path, contents: Mapping[Path, bytes]) -> None:
    """All written beside first: when the disk is full, no file is half of each."""
    with tempfile.TemporaryDirectory(prefix=".rotate-", dir=checkout) as scratch:
        drafts = {file: Path(scratch) / str(number) for number, file in enumerate(contents)}
        for file, draft in drafts.items():
            draft.write_bytes(contents[file])
            draft.chmod(file.stat().st_mode)
        for file, draft in drafts.items():
            draft.replace(file)
