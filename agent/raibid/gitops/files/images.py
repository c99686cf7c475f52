"""Image references, and kustomize's `images` that rewrite them.

Owns: name, tag and digest of a reference; what an entry makes of one, and what the entry must say for another.
Leaves to others: which entry counts (`transforms.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from raibid.gitops.errors import NotEditableError
from raibid.gitops.files.patterns import fits

_VERSION: Final = re.compile(r"(:[a-zA-Z0-9_.{}-]*)?(@[a-zA-Z0-9]+([.+_-][a-zA-Z0-9]+)*:[a-zA-Z0-9_.{}-]*)?")
_LONGEST: Final = 1000


@dataclass(frozen=True)
class Image:
    """`host:port/path/name:tag@digest`."""

    name: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def read(cls, text: str) -> Image:
        """A reference; a colon before the last slash belongs to the host's port.

        Raises:
            NotEditableError: it is none.
        """
        rest, _, digest = text.partition("@")
        head, slash, last = rest.rpartition("/")
        name, _, tag = last.partition(":")
        if not name or re.search(r"\s", text) or (digest and ":" not in digest):
            raise NotEditableError(f"{text} is no image reference", "for example ghcr.io/raibid/raibid-api:0.2.0")
        return cls(f"{head}{slash}{name}", tag, digest)

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def matches(entry: Mapping[str, Any], text: object) -> bool:
    """Whether an entry of `images` is about a reference (api/internal/image/image.go: the name is a pattern there).

    Raises:
        NotEditableError: a pattern that cannot be read here.
    """
    name = str(entry.get("name") or "")
    if not name or not isinstance(text, str) or len(text) > _LONGEST:
        return False
    ends = [len(text), *(place for place, char in enumerate(text) if char in ":@")]
    return any(fits(name, text[:end]) for end in ends if _VERSION.fullmatch(text, end))


def rewritten(entry: Mapping[str, Any], text: str) -> str:
    """What an entry makes of a reference that it is about."""
    image = Image.read(text)
    new = {key: str(entry.get(key) or "") for key in ("newName", "newTag", "digest", "tagSuffix")}
    tag, digest = image.tag, image.digest
    if new["newTag"] or new["digest"]:
        tag, digest = new["newTag"], new["digest"]
    elif new["tagSuffix"]:
        tag, digest = tag + new["tagSuffix"], ""
    return str(Image(new["newName"] or image.name, tag, digest))


def entry_for(entry: Mapping[str, Any], before: str, wanted: Image) -> dict[str, Any]:
    """An entry as it must be so that a reference becomes the wanted one; keys that are not about it stay.

    Raises:
        NotEditableError: no entry can say that.
    """
    new = {key: value for key, value in entry.items() if key != "tagSuffix"}
    if wanted.name != (entry.get("newName") or Image.read(before).name):
        new["newName"] = wanted.name
    # A tag and a digest replace both of the reference; what the wanted one lacks must not stay in the entry.
    for key, value in (("newTag", wanted.tag), ("digest", wanted.digest)):
        if value:
            new[key] = value
        else:
            new.pop(key, None)
    if rewritten(new, before) != str(wanted):
        raise NotEditableError(
            f"{wanted} cannot come out of the entry for {entry.get('name')}: {before} brings its own tag",
            "say the tag or the digest",
        )
    return new
