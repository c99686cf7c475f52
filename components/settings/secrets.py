"""Secrets of a stack: which keys they are, and how one in the wrong place is known before it is printed.

Owns: the secret keys (`StackSecrets`), what looks like a secret, how a value is shown in a message.
Leaves to others: reading them (`load`), what is derived of them (`components.secret_values`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # pulumi takes 0.45 s to import; `render` and `budget` never need it
    from pulumi import Output


@dataclass(frozen=True, kw_only=True)
class StackSecrets:
    """What a stack keeps encrypted; None where it is not set."""

    seed: Output[str] | None = None
    age_key: Output[str] | None = None
    ssh_private_key: Output[str] | None = None
    kubeconfig: Output[str] | None = None
    git_password: Output[str] | None = None


SECRET_KEYS: Final[Mapping[str, str]] = {
    "seed": "seed",
    "ageKey": "age_key",
    "sshPrivateKey": "ssh_private_key",
    "kubeconfig": "kubeconfig",
    "gitPassword": "git_password",
}
"""Key of the stack config → field of `StackSecrets`."""

HIDDEN: Final = "(not shown)"
_LONGEST: Final = 60
_NAMES: Final = re.compile(
    r"passw(or)?d|passphrase|token|secret|^seed$|(api|private|age|access)_?key|kubeconfig|credential", re.IGNORECASE
)
_SHAPES: Final = re.compile(
    r"AGE-SECRET-KEY-|-----BEGIN [A-Z ]*PRIVATE KEY|\b(gh[opsu]|github_pat|glpat|gitea)[-_]\w{16,}"
    r"|\bAKIA[0-9A-Z]{16}\b|client-key-data:|https?://[^/@\s]+@|//[^/@\s]*:[^/@\s]+@"
)


def names_a_secret(key: str) -> bool:
    """Whether a key of that name holds something to hide: "adminPassword", "token"."""
    return bool(_NAMES.search(key))


def looks_secret(value: object) -> bool:
    """Whether a text is a secret by its shape: an age or SSH private key, a forge's token, a URL with a password."""
    return isinstance(value, str) and bool(_SHAPES.search(value))


def shown(path: str, value: object) -> str:
    """A value as a message may show it: short, and never when it is or may be secret."""
    if any(names_a_secret(part) for part in re.split(r"[.\[\]]+", path)) or looks_secret(value):
        return HIDDEN
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    text = "empty" if value == "" else str(value).replace("\n", "\\n") if isinstance(value, str) else f"{value}".lower()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def in_clear(values: Mapping[str, object]) -> Iterator[tuple[str, ...]]:
    """Locations (parts of a path) of texts in `values` that are secret by their name or their shape."""
    for key, value in values.items():
        yield from _walk((key,), value)


def _walk(location: tuple[str, ...], value: object) -> Iterator[tuple[str, ...]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _walk((*location, f".{key}"), inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, inner in enumerate(value):
            yield from _walk((*location, f"[{index}]"), inner)
    # `rotation` has labels of secrets as its keys, and numbers as its values.
    elif value not in ("", None) and (
        looks_secret(value) or (names_a_secret(location[-1].lstrip(".")) and location[0] != "rotation")
    ):
        yield location
