"""`${var}`: values that Flux puts in after kustomize, and the files that hold them.

Owns: which variable must change for a value to become another, in which source, and how it is written there.
Leaves to others: the place that says `${var}` (`provenance.py`).

As fluxcd/pkg envsubst does it, on the text of the object: what stands in quotes in the file has none there, so a number
that must stay a text carries its own quotes in the variable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from raibid.contract import TEXT_TWIN
from raibid.gitops.errors import NoFileError, NotEditableError
from raibid.gitops.files.documents import Draft
from raibid.gitops.files.emitted import emitted_by
from raibid.gitops.files.locate import chosen
from raibid.gitops.files.provenance import Built
from raibid.gitops.files.scalars import double_quoted, plain_value, reads_as_itself, written
from raibid.gitops.files.secrets import data_field, data_value
from raibid.gitops.files.walk import Walk
from raibid.gitops.files.writing import Manner, in_flow
from raibid.gitops.objects import Ref, annotations_of, mapping

_VARIABLE: Final = re.compile(r"(?<!\$)\$\{(?P<name>[A-Za-z_]\w*)(?::?[=-](?P<default>[^}]*))?\}")
_ANY: Final = re.compile(r"(?<!\$)\$\{")
_OFF: Final = "kustomize.toolkit.fluxcd.io/substitute"


@dataclass(frozen=True)
class VariableSource:
    """One of a Kustomization's `postBuild.substituteFrom`, in its order: the last that has a variable wins."""

    ref: Ref
    """The ConfigMap or Secret."""
    keys: frozenset[str] = frozenset()
    """The variables that it has in the cluster; those of its file count in any case."""
    entry: str = ""
    """Directory by which its file is found: `path` of the Kustomization that applies it."""


def is_substituted(value: Any, manifest: Mapping[str, Any]) -> bool:
    """Whether a value takes something from variables; an object may be excepted from that."""
    off = annotations_of(manifest).get(_OFF) == "disabled"
    return isinstance(value, str) and _ANY.search(value) is not None and not off


def set_variable(
    draft: Draft, template: str, value: Any, sources: Sequence[VariableSource], flux_spec: Mapping[str, Any] | None
) -> str:
    """Change the variable that makes a template into a value; what was done.

    Raises:
        NotEditableError: no single variable can do that, it has no source, or only one that is not edited by hand.
    """
    names = [match["name"] for match in _VARIABLE.finditer(template)]
    if len(_ANY.findall(template)) != len(names):
        raise NotEditableError(f"{template} uses a function of variables", "set the variable itself")
    _Source.refuse_inline(names, flux_spec)
    found = [_Source.read(draft, source) for source in sources]
    name, text = _which(template, value, found)
    told = f"{template} takes {name} from {_set(draft, found, name, text)}"
    twin = f"{name}{TEXT_TWIN}"
    if not any(item.has(twin) for item in found):
        return told
    quoted = double_quoted(text.strip('"'))
    found = [_Source.read(draft, source) for source in sources]  # what is in them has moved
    return f"{told}; {twin}, the same as a text, in {_set(draft, found, twin, quoted)}"


def _set(draft: Draft, sources: Sequence[_Source], name: str, text: str) -> str:
    """Write a variable where it is to be written; where that is."""
    source = _owner(draft, sources, name)
    if source.built is None:
        raise NoFileError(f"{source.about.ref} has {name}, and no file below {source.about.entry or '.'} describes it")
    wanted = data_field(source.built, name)
    spot = source.built.spot(draft, wanted)
    spot.write(draft, data_value(source.built, wanted, text))
    return f"{source.about.ref}: set {spot.why}"


@dataclass(frozen=True)
class _Source:
    about: VariableSource
    built: Built | None
    """None: the repository does not describe it."""

    @classmethod
    def read(cls, draft: Draft, source: VariableSource) -> _Source:
        try:
            return cls(source, Built.of(draft, chosen(Walk(draft, source.ref), source.entry)))
        except NoFileError:
            return cls(source, None)

    @staticmethod
    def refuse_inline(names: Sequence[str], flux_spec: Mapping[str, Any] | None) -> None:
        """Inline values go before all sources, and are in the Kustomization's own manifest."""
        inline = mapping(mapping(mapping(flux_spec).get("postBuild")).get("substitute"))
        for name in names:
            if name in inline:
                raise NotEditableError(
                    f"{name} is set in the Flux Kustomization itself",
                    f"set spec.postBuild.substitute.{name} of that Kustomization",
                )

    def value(self, name: str) -> Any:
        """What it has for a variable; None: nothing that can be read here."""
        if self.built is None:
            return None
        return mapping(self.built.final.get("stringData")).get(name) or mapping(self.built.final.get("data")).get(name)

    def has(self, name: str) -> bool:
        return name in self.about.keys or self.value(name) is not None


def _which(template: str, value: Any, sources: Sequence[_Source]) -> tuple[str, str]:
    """The variable that must change, and its text."""
    whole = _VARIABLE.fullmatch(template)
    if whole is not None:
        return whole["name"], _written(value)
    if not isinstance(value, str):
        raise NotEditableError(f"{template} is a text with variables in it; {value!r} is none")
    names = dict.fromkeys(match["name"] for match in _VARIABLE.finditer(template))
    for name in names:
        match = re.fullmatch(_pattern(template, name, sources), value, re.DOTALL)
        if match is not None:
            return name, match[1]
    fixed = _VARIABLE.sub(lambda found: f"<{found['name']}>", template)
    raise NotEditableError(
        f"the file says {template}: no single variable makes {value} of it",
        f"values of that field look like {fixed}; edit the file for another",
    )


def _pattern(template: str, name: str, sources: Sequence[_Source]) -> str:
    """What a template can become by another value of one variable, the others as they are."""
    parts, place, seen = [], 0, False
    for match in _VARIABLE.finditer(template):
        parts.append(re.escape(template[place : match.start()].replace("$${", "${")))
        if match["name"] == name:
            parts.append(r"\1" if seen else "(.*)")
            seen = True
        else:
            now = next(
                (found for s in reversed(sources) if (found := s.value(match["name"])) is not None), match["default"]
            )
            parts.append(re.escape(str(plain_value(str(now)))) if now is not None else r"[^\s\S]")
        place = match.end()
    return "".join([*parts, re.escape(template[place:].replace("$${", "${"))])


def _owner(draft: Draft, sources: Sequence[_Source], name: str) -> _Source:
    """The source to change: the last that has it; a later one of an operator's own if that is emitted."""
    having = [number for number, source in enumerate(sources) if source.has(name)]
    if not having and not sources:
        raise NotEditableError(f"the value comes from ${{{name}}}, and nothing says where that is set")
    last = having[-1] if having else -1
    if having and not _is_emitted(draft, sources[last], name):
        return sources[last]
    own = [
        source
        for source in sources[last + 1 :]
        if source.built is not None and source.about.ref.kind == "ConfigMap" and not _is_emitted(draft, source, name)
    ]
    if own:
        return own[-1]
    if not having:
        raise NotEditableError(f"no ConfigMap of the Kustomization's substituteFrom has {name}", "its default counts")
    raise NotEditableError(
        f"{name} is in {sources[last].about.ref}, which `pulumi up` writes",
        "change the stack's setting and run `pulumi up`; or add a ConfigMap of your own behind it in substituteFrom",
    )


def _is_emitted(draft: Draft, source: _Source, name: str) -> bool:
    if source.built is None:
        return False
    return bool(emitted_by(draft, source.built.spot(draft, data_field(source.built, name)).file))


def _written(value: Any) -> str:
    """A value as the text of a variable that stands alone."""
    if isinstance(value, str):
        return value if reads_as_itself(value) else double_quoted(value)
    return in_flow(value, Manner(json=True)) if isinstance(value, dict | list) else written(value)
