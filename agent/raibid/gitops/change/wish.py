"""What somebody wants changed, from the words of a command: fields and values, an image, a number of replicas.

Owns: `FIELD=VALUE`, whether a value is a number or a text, which container is meant.
Leaves to others: what a field's name means (`raibid.gitops.files.fields`), which file sets it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
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
from raibid.gitops.objects import Manifest, Ref, mappings

Editor = Callable[[Path, Site], Edit]

_SPLIT: Final = re.compile(r"(?P<field>(?:\[[^\]]*\]|\\.|[^=\[\\])+)=(?P<value>.*)", re.DOTALL)
_TEXTS: Final = re.compile(
    r"(?:(?:data|stringData|binaryData|(?:.*\.)?(?:labels|annotations|matchLabels|nodeSelector))[.\[].*|.*\.env\[.*\]\.value)",
    re.DOTALL,
)
"""Fields whose values are texts, also where they look like numbers."""
_TEMPLATES: Final = ("spec.template.spec", "spec.jobTemplate.spec.template.spec", "spec")
_LONGEST: Final = 60


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A change of one object."""

    about: Ref
    subject: str
    """The commit's first line."""
    values: Mapping[str, object]
    """What each field shall be; as the API server is asked."""
    edits: tuple[Editor, ...] = field(compare=False)
    """As the files are changed, one after the other."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields' names; they name the branch."""
        return tuple(self.values)


def set_fields(about: Ref, live: Manifest | None, words: Sequence[str]) -> Wish:
    """`FIELD=VALUE`, one or more.

    Raises:
        NotEditableError: not of that form.
    """
    values: dict[str, object] = {}
    for word in words:
        match = _SPLIT.fullmatch(word)
        if match is None:
            raise NotEditableError(f"{word} is not FIELD=VALUE", "for example spec.replicas=3")
        name = shown(read_field(match["field"]))
        values[name] = read_value(name, match["value"], live)
    said = ", ".join(f"{name}={_short(value)}" for name, value in values.items())
    return Wish(
        about=about,
        subject=f"Set {said} of {about}",
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
    path, name = _container(about, live, container)

    def edit(root: Path, site: Site) -> Edit:
        return set_image(root, site.entry, site.ref, name, image, variables=site.variables, flux_spec=site.flux_spec)

    return Wish(
        about=about, subject=f"Set the image of {about}'s {name} to {image}", values={path: image}, edits=(edit,)
    )


def set_replicas_of(about: Ref, count: int) -> Wish:
    """A number of replicas.

    Raises:
        NotEditableError: less than none.
    """
    if count < 0:
        raise NotEditableError(f"{count} replicas are less than none")

    def edit(root: Path, site: Site) -> Edit:
        return set_replicas(root, site.entry, site.ref, count, variables=site.variables, flux_spec=site.flux_spec)

    return Wish(about=about, subject=f"Scale {about} to {count}", values={"spec.replicas": count}, edits=(edit,))


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
        return set_field(
            root, site.entry, site.ref, name, value, variables=site.variables, flux_spec=site.flux_spec
        )

    return edit


def _container(about: Ref, live: Manifest | None, wanted: str) -> tuple[str, str]:
    """The field of a container's image, and the container's name."""
    found: dict[str, str] = {}
    for template in _TEMPLATES:
        for kind in ("containers", "initContainers"):
            _, items = value_at(live, read_field(f"{template}.{kind}"))
            names = [str(item.get("name", "")) for item in mappings(items)]
            found.update({name: f"{template}.{kind}[name={name}].image" for name in names if name not in found})
    main = [name for name, path in found.items() if ".containers[" in path]
    if wanted in found:
        return found[wanted], wanted
    if wanted or len(main) != 1:
        said = f"no container {wanted}" if wanted else f"{len(main)} containers"
        hint = f"its containers: {', '.join(found)}" if found else "deployments and the like have containers"
        raise NotEditableError(f"{about} has {said}", hint)
    return found[main[0]], main[0]


def _short(value: Any) -> str:
    said = str(value)
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"
