"""What somebody wants changed, from the words of a command: fields and values, an image, a number of replicas.

Owns: `FIELD=VALUE`, whether a value is a number or a text, what a commit may say of it.
Leaves to others: what a field's name means (`raibid.gitops.files.fields`), which file sets it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from raibid.gitops.change.site import Site
from raibid.gitops.errors import NotEditableError
from raibid.gitops.files.documents import Edit
from raibid.gitops.files.edit import set_field, set_image, set_replicas
from raibid.gitops.files.fields import read_field, shown, value_at
from raibid.gitops.files.workloads import container_field, replicas_field
from raibid.gitops.objects import Manifest, Ref

Editor = Callable[[Path, Site], Edit]

_SPLIT: Final = re.compile(r"(?P<field>(?:\[[^\]]*\]|\\.|[^=\[\\])+)=(?P<value>.*)", re.DOTALL)
_TEXTS: Final = re.compile(
    r"(?:(?:data|stringData|binaryData|(?:.*\.)?(?:labels|annotations|matchLabels|nodeSelector))[.\[].*|.*\.env\[.*\]\.value)",
    re.DOTALL,
)
"""Fields whose values are texts, also where they look like numbers."""
_LONGEST: Final = 60


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A change of one object."""

    about: Ref
    subject: str
    """The commit's first line."""
    discreet: str
    """The same without values, for a change that turns out to write one of a Secret."""
    fields: tuple[str, ...]
    """What is changed; it names a pull request's branch."""
    values: Mapping[str, object]
    """What each field of the live object shall be, as the API server is asked; empty: there is no live object."""
    edits: tuple[Editor, ...] = field(compare=False)
    """As the files are changed, one after the other."""


def set_fields(
    about: Ref, live: Manifest | None, words: Sequence[str], *, unsaid: Collection[str] = ()
) -> Wish:  # fmt: skip
    """`FIELD=VALUE`, one or more. `unsaid`: those of them whose value nobody states, for it came from a file.

    Raises:
        NotEditableError: not of that form.
    """
    values: dict[str, object] = {}
    said: list[str] = []
    for word in words:
        match = _SPLIT.fullmatch(word)
        if match is None:
            raise NotEditableError(f"{word} is not FIELD=VALUE", "for example spec.replicas=3")
        name = shown(read_field(match["field"]))
        values[name] = read_value(name, match["value"], live)
        said.append(name if word in unsaid else f"{name}={_short(values[name])}")
    discreet = f"Set {', '.join(values)} of {about}"
    return Wish(
        about=about,
        # A commit's message is no place for a secret.
        subject=discreet if about.kind == "Secret" else f"Set {', '.join(said)} of {about}",
        discreet=discreet,
        fields=tuple(values),
        values=values,
        edits=tuple(_field_editor(name, value) for name, value in values.items()),
    )


def set_image_of(about: Ref, live: Manifest | None, word: str) -> Wish:
    """`IMAGE` of the only container, or `CONTAINER=IMAGE`.

    Raises:
        NotEditableError: the object has no such container, or several.
    """
    container, equals, image = word.partition("=")
    if not equals:
        container, image = "", word
    if not image or any(char.isspace() for char in image):
        raise NotEditableError(f"{word} is not [CONTAINER=]IMAGE", "for example web=registry.example.org/web:1.2.3")
    name, values = container, dict[str, object]()
    if live is not None:
        place = container_field(about, live, container)
        name, values = str(getattr(place[-1], "value", "")), {shown((*place, "image")): image}

    def edit(root: Path, site: Site) -> Edit:
        return set_image(root, site.entry, site.ref, name, image, variables=site.variables, flux_spec=site.flux_spec)

    bare = f"Set the image of {f'{name} in ' if name else ''}{about}"
    fields = ("image", name) if name else ("image",)
    return Wish(about=about, subject=f"{bare} to {image}", discreet=bare, fields=fields, values=values, edits=(edit,))


def set_replicas_of(about: Ref, live: Manifest | None, count: int) -> Wish:
    """A number of replicas.

    Raises:
        NotEditableError: less than none.
    """
    if count < 0:
        raise NotEditableError(f"{count} replicas are less than none")

    def edit(root: Path, site: Site) -> Edit:
        return set_replicas(root, site.entry, site.ref, count, variables=site.variables, flux_spec=site.flux_spec)

    values = {} if live is None else {shown(replicas_field(about, live)): count}
    bare = f"Scale {about}"
    return Wish(
        about=about, subject=f"{bare} to {count}", discreet=bare, fields=("replicas",), values=values, edits=(edit,)
    )


def read_value(name: str, text: str, live: Manifest | None) -> object:
    """A value as it was typed: YAML, but a text where a text is, or belongs.

    An empty value is an empty text; `null` is none.
    """
    there, old = value_at(live, read_field(name)) if live is not None else (False, None)
    if isinstance(old, str) or (not there and _TEXTS.fullmatch(name)):
        return _unquoted(text)
    try:
        value = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError):
        return text
    # `a: b` and a date are what YAML makes of a text that nobody meant so.
    block = isinstance(value, dict | list) and text.lstrip()[:1] not in "{["
    plain = value is None or isinstance(value, str | int | float | bool | dict | list)
    return value if text and plain and not block else text


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text


def _field_editor(name: str, value: object) -> Editor:
    def edit(root: Path, site: Site) -> Edit:
        return set_field(root, site.entry, site.ref, name, value, variables=site.variables, flux_spec=site.flux_spec)

    return edit


def _short(value: Any) -> str:
    said = str(value)
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"
