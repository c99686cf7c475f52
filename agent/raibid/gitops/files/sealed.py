"""Files that SOPS encrypts: one value changed by the `sops` command, without the file ever being in clear.

Owns: what is encrypted, the command, its private directory, what its failures mean, whose keys may be asked.
Leaves to others: keys (the operator's SOPS_AGE_KEY_FILE), which value.

`sops set` needs the key, for it seals the file's checksum again: also when the value itself is not encrypted.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from raibid.gitops.errors import SealedError
from raibid.gitops.files.nodes import Alias, Mapping, Node, Scalar, data, parse
from raibid.gitops.files.nodes import Sequence as Items
from raibid.gitops.files.writing import Manner
from raibid.gitops.objects import mapping

_SECONDS: Final = 60.0
_SEALED: Final = re.compile(
    r"\bENC\[AES256_GCM,|^[\"']?sops[\"']?[ \t]*:|[{,]\s*\"sops\"\s*:|^sops_[a-z_]+=|^\[sops\]", re.MULTILINE
)
"""A value, or the metadata in YAML, JSON, dotenv and INI; a text too much is refused, none is written over."""
_PASSED: Final = ("PATH", "SOPS_AGE_KEY", "SOPS_AGE_KEY_CMD")
_KEY_FILES: Final = {
    "SOPS_AGE_KEY_FILE": "{config}/sops/age/keys.txt",
    "SOPS_AGE_SSH_PRIVATE_KEY_FILE": "{home}/.ssh/id_ed25519",
    "GNUPGHOME": "{home}/.gnupg",
}
"""What sops would look for in the operator's home, which it does not get: `~/.vault-token` and clouds' credentials are
there as well, and sops sends them where the file says."""
_KEYS: Final = frozenset({"age", "pgp"})
"""Kinds of keys that are at hand; all others are services at an address that the repository names."""
_METADATA: Final = _KEYS | {
    *("lastmodified", "mac", "version", "encrypted_regex", "unencrypted_regex", "encrypted_suffix"),
    *("unencrypted_suffix", "encrypted_comment_regex", "unencrypted_comment_regex", "mac_only_encrypted"),
    "shamir_threshold",
}
_NO_KEY: Final = ("data key", "identit", "no key", "failed to load age")


def is_sealed(text: str) -> bool:
    """Whether SOPS has encrypted a file: nothing of it is written but by sops."""
    return _SEALED.search(text) is not None


def is_encrypted(manifest: Any) -> bool:
    """Whether SOPS has sealed an object as a Secret has to be: a checksum, and every value."""
    found = mapping(manifest)
    sealed = [value for key in ("data", "stringData") for value in mapping(found.get(key)).values()]
    return all(str(value).startswith("ENC[") for value in [mapping(found.get("sops")).get("mac"), *sealed])


def with_value(text: str, steps: Sequence[str | int], value: Any, file: str) -> str:
    """An encrypted file's text with another value at a place; the same text if it has that value.

    Raises:
        SealedError: sops is not there, no key opens the file, it asks a service for its key, or it cannot be edited so.
    """
    try:
        nodes = parse(text)
    except ValueError:
        nodes = []
    if len(nodes) != 1 or not isinstance(nodes[0], Mapping):
        raise SealedError(
            f"{file} is encrypted and not one YAML or JSON document; its values are not set here", "`sops edit` does"
        )
    _refuse_services(nodes[0], file)
    sops = shutil.which("sops")
    if sops is None:
        raise SealedError(f"{file} is encrypted, and there is no `sops` on PATH", "install sops 3.11 or later")
    index = "".join(f"[{json.dumps(step)}]" for step in steps)
    # A directory that nobody else may look into; the value goes to sops by its standard input only.
    with tempfile.TemporaryDirectory(prefix="raibid-sops-") as room:
        ending = ".json" if PurePosixPath(file).suffix == ".json" else ".yaml"
        config, copy = Path(room, "config.yaml"), Path(room, f"sealed{ending}")
        indent = Manner.of(text, nodes[0]).indent
        config.write_text(f"stores: {{yaml: {{indent: {indent}}}, json: {{indent: {indent}}}}}\n")
        copy.write_bytes(text.encode())
        command = [sops, "--config", str(config), "set", "--value-stdin", "--idempotent", str(copy), index]
        _run(command, json.dumps(value), file, Path(room))
        return copy.read_bytes().decode()


def _refuse_services(root: Mapping, file: str) -> None:
    """Only keys at hand: sops would send the operator's token to the address of any other that the file names."""
    # Go's JSON takes `SOPS` for `sops`, and adds up what stands twice.
    named = [(key, value) for key, value in _pairs(root) if key.lower() == "sops"]
    if [key for key, _ in named] != ["sops"] or not isinstance(named[0][1], Mapping) or not _is_plain(named[0][1]):
        raise SealedError(f"{file} is encrypted, but not as sops writes it", "look at its `sops` by hand")
    other = sorted(set(_services(data(named[0][1]))))
    if other:
        raise SealedError(
            f"{file} is encrypted with keys by {', '.join(other)}; only age and PGP are asked for keys here",
            "`sops edit` it yourself if you trust the addresses in it",
        )


def _services(metadata: Any) -> Iterator[str]:
    for key, value in metadata.items() if isinstance(metadata, dict) else ():
        if key == "key_groups" and isinstance(value, list):
            yield from (str(kind) for group in value for kind in _other_kinds(group))
        elif key not in _METADATA and value not in (None, [], "", {}):
            yield str(key)


def _other_kinds(group: Any) -> list[Any]:
    return [kind for kind in group if kind not in _KEYS and group[kind]] if isinstance(group, dict) else ["key_groups"]


def _pairs(root: Mapping) -> Iterator[tuple[str, Node]]:
    for key, value in root.items:
        if isinstance(key, Scalar):
            yield key.text, value


def _is_plain(node: Node) -> bool:
    """No alias, no merge, no key twice: two readers cannot take it for two things."""
    if isinstance(node, Mapping):
        keys = [key for key, _ in _pairs(node)]
        folded = {key.lower() for key in keys}
        whole = len(folded) == len(keys) == len(node.items) and "<<" not in folded
        return whole and all(_is_plain(value) for _, value in node.items)
    if isinstance(node, Items):
        return all(_is_plain(item) for item in node.items)
    return not isinstance(node, Alias)


def _environment(room: Path) -> dict[str, str]:
    """What sops gets to know of the operator: where programs are, and keys by their files' whole paths."""
    home = os.environ.get("HOME", str(room))
    config = os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    found = {name: os.environ[name] for name in _PASSED if name in os.environ}
    for name, usual in _KEY_FILES.items():
        path = os.environ.get(name) or usual.format(home=home, config=config)
        if name in os.environ or Path(path).exists():
            # It runs in a directory of its own, where a relative path would lead elsewhere.
            found[name] = str(Path(path).absolute())
    return {**found, "HOME": str(room), "XDG_CONFIG_HOME": str(room)}


def _run(command: list[str], value: str, file: str, room: Path) -> None:
    try:
        done = subprocess.run(
            command,
            input=value,
            text=True,
            capture_output=True,
            timeout=_SECONDS,
            env=_environment(room),
            cwd=room,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SealedError(f"{file}: sops does not run: {type(error).__name__}") from None
    if done.returncode == 0:
        return
    said = done.stderr.lower()
    if any(sign in said for sign in _NO_KEY):
        raise SealedError(
            f"{file} is encrypted, and no key at hand opens it",
            "SOPS_AGE_KEY_FILE names a file with the age key of one of its recipients",
        )
    # sops' own words may quote what it was given: only its code is told.
    raise SealedError(f"{file}: sops ended with {done.returncode}", "`sops decrypt` of the file tells more")
