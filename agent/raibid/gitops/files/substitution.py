"""Flux's `${var}` on one text, as fluxcd/pkg does it on the whole object after kustomize.

Owns: which texts have variables, what values make of one, how a text says `${` itself.
Leaves to others: where values come from (`variables.py`).

An object is written as YAML, the variables are put into that text, and the result is read again: quotes that stand in
the file are gone by then, and a value with `: ` or ` #` in it ends up as something else. So it is tried here.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML

from raibid.gitops.errors import NotEditableError
from raibid.gitops.files import nodes
from raibid.gitops.files.scalars import block, double_quoted, reads_as_itself, written
from raibid.gitops.objects import annotations_of, labels_of

_TOKEN: Final = re.compile(
    r"\$\$|\$\{(?:(?P<name>[A-Za-z_]\w*)(?:(?::[=-]|=)(?P<default>[^}$]*))?\}|(?P<function>))", re.ASCII
)
"""`$$` is one dollar, also before a brace (envsubst/parse/scan.go); other functions than defaults are told apart."""
_CARE: Final = re.compile(r"\$(?=[${])")
_OFF: Final = "kustomize.toolkit.fluxcd.io/substitute"
_UNKNOWN: Final = "x"


@dataclass(frozen=True)
class Values:
    """What variables stand for; those that are not named here are empty."""

    known: Mapping[str, str] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    """There, but not readable: encrypted, or in the cluster only."""

    def of(self, name: str, default: str | None = None) -> str | None:
        """A variable's text; None: nobody here can say."""
        if name in self.unknown and name not in self.known:
            return None
        # Flux drops line ends; a default counts for an empty value, too.
        return self.known.get(name, "").replace("\n", "") or default or ""

    def having(self, texts: Mapping[str, str]) -> Values:
        """The same with other texts."""
        return Values({**self.known, **texts}, self.unknown)


def is_excepted(manifest: Mapping[str, Any]) -> bool:
    """Whether an object says that nothing is put into it."""
    return "disabled" in (annotations_of(manifest).get(_OFF), labels_of(manifest).get(_OFF))


def needs_care(value: Any) -> bool:
    """Whether there is something in a value that Flux would read."""
    return any(_CARE.search(text) for _, text in texts_in(value))


def escaped(value: Any) -> Any:
    """A value as it must be written so that Flux leaves it as it is."""
    if isinstance(value, str):
        return _CARE.sub("$$", value)
    if isinstance(value, list):
        return [escaped(item) for item in value]
    return {key: escaped(item) for key, item in value.items()} if isinstance(value, dict) else value


def names_in(text: str) -> list[str]:
    """The variables of a text, each once.

    Raises:
        NotEditableError: a function of a variable.
    """
    found = [match for match in _TOKEN.finditer(text) if match[0] != "$$"]
    if any(match["function"] is not None for match in found):
        raise NotEditableError("the file has a function of variables there", "set the variable itself")
    return list(dict.fromkeys(match["name"] for match in found))


def mentions(text: str, names: frozenset[str]) -> bool:
    """Whether a text has one of these variables, perhaps in a function."""
    return any(re.search(rf"(?<!\$)\$\{{#?{re.escape(name)}\b", text) for name in names)


def has_variables(value: Any) -> bool:
    """Whether a value is a text with variables."""
    return isinstance(value, str) and any(match[0] != "$$" for match in _TOKEN.finditer(value))


def shown(text: str, *, secret: bool = False) -> str:
    """A text with its variables, as it may be told: of a Secret's only these."""
    return " ".join(match[0] for match in _TOKEN.finditer(text) if match[0] != "$$") if secret else text


def replaced(text: str, put: Callable[[str, str | None], str], keep: Callable[[str], str] = str) -> str:
    """A text with something in place of its variables; `keep`: what stands between them."""
    parts, place = [], 0
    for match in _TOKEN.finditer(text):
        parts.append(keep(text[place : match.start()]))
        parts.append(keep("$") if match[0] == "$$" else put(match["name"] or "", match["default"]))
        place = match.end()
    return "".join([*parts, keep(text[place:])])


def filled(template: str, values: Values) -> Any:
    """What becomes of a text.

    Raises:
        NotEditableError: the object could not be read any more, or not by everybody in the same way.
    """

    def put(name: str, default: str | None) -> str:
        found = values.of(name, default)
        return _UNKNOWN if found is None else found

    try:
        documents = nodes.parse(replaced(_emitted(template), put))
    except ValueError:
        documents = []
    root = documents[0] if len(documents) == 1 else None
    if not isinstance(root, nodes.Mapping) or len(root.items) != 1:
        raise NotEditableError("Flux would make something of it that cannot be read")
    node = root.items[0][1]
    result = nodes.data(node)
    if isinstance(result, str) and isinstance(node, nodes.Scalar) and not node.style and not reads_as_itself(result):
        raise NotEditableError("not every reader of YAML would take it for a text")
    return result


def texts_in(value: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """All texts inside of a value, and where they are."""
    if isinstance(value, str):
        yield way, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from texts_in(item, (*way, key))


def _emitted(template: str) -> str:
    """As Go's YAML writes it: a block for several lines, else plain if that may be, else single quotes."""
    if "\n" in template:
        return f"value: {block(template, 2) or double_quoted(template)}\n"
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.width = False, 1 << 30
    stream = io.StringIO()
    yaml.dump({"value": template}, stream)
    plain = stream.getvalue()
    # ruamel.yaml prefers double quotes around an apostrophe; libyaml and Go's port of it do not.
    quoted = plain.startswith(('value: "', "value: '"))
    single = written(template, "'")
    return f"value: {single}\n" if quoted else plain
