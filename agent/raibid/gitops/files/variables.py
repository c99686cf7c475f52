"""`${var}`: values that Flux puts in after kustomize, and the files that hold them.

Owns: which variable must change for a value to become another, in which source, and how it is written there.
Leaves to others: the place that says `${var}` (`provenance.py`), what Flux makes of it (`substitution.py`), whom a
variable concerns besides (`neighbours.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raibid.contract import TEXT_TWIN
from raibid.gitops.errors import NoFileError, NotEditableError
from raibid.gitops.files.documents import Draft
from raibid.gitops.files.emitted import emitted_by
from raibid.gitops.files.generators import decoded
from raibid.gitops.files.locate import chosen
from raibid.gitops.files.provenance import Built
from raibid.gitops.files.scalars import double_quoted, plain_value, reads_as_itself, written
from raibid.gitops.files.sealed import is_sealed
from raibid.gitops.files.secrets import data_field, data_value
from raibid.gitops.files.substitution import Values, filled, is_excepted, names_in, replaced, shown
from raibid.gitops.files.values import same
from raibid.gitops.files.walk import Walk
from raibid.gitops.files.writing import Manner, in_flow
from raibid.gitops.objects import Ref, mapping


@dataclass(frozen=True)
class VariableSource:
    """One of a Kustomization's `postBuild.substituteFrom`, in its order: the last that has a variable wins."""

    ref: Ref
    """The ConfigMap or Secret."""
    keys: frozenset[str] = frozenset()
    """The variables that it has in the cluster; those of its file count in any case."""
    entry: str | None = None
    """Directory by which its file is found: `path` of the Kustomization that applies it. None: it is not known to come
    from this repository, and a file of that name might be another cluster's."""


@dataclass(frozen=True)
class Made:
    """What was done to variables."""

    texts: Mapping[str, str]
    """The variables with their new texts."""
    places: tuple[str, ...]
    """Where each was written."""


class Variables:
    """What is put in for one Kustomization, as the files have it now."""

    def __init__(
        self, draft: Draft, sources: Sequence[VariableSource], flux_spec: Mapping[str, Any] | None = None
    ) -> None:
        self._draft = draft
        self._about = sources
        self._sources = [_Source.read(draft, source) for source in sources]
        inline = mapping(mapping(mapping(flux_spec).get("postBuild")).get("substitute"))
        self._inline = {str(name): text for name, text in inline.items() if isinstance(text, str)}

    def reach(self, manifest: Mapping[str, Any]) -> bool:
        """Whether something is put into an object: Flux leaves it alone if it has no variable at all."""
        # One that nobody here can read may have any.
        some = any(source.names or source.built is None for source in self._sources)
        return (bool(self._inline) or some) and not is_excepted(manifest)

    @property
    def values(self) -> Values:
        """What each variable stands for."""
        known, unknown = dict[str, str](), set[str]()
        for source in self._sources:
            for name in source.names:
                known.pop(name, None)
            known |= source.texts
            unknown = (unknown | source.names) - source.texts.keys()
        return Values({**known, **self._inline}, frozenset(unknown - self._inline.keys()))

    def set(self, template: str, value: Any, *, secret: bool = False) -> Made:
        """Change the one variable that makes a template into a value; no text: it is that already.

        Raises:
            NotEditableError: no single variable can do that, it has no source, or only one that is not edited by hand.
        """
        now = self.values
        names = names_in(template)
        if None not in map(now.of, names) and _makes(template, now, value):
            return Made({}, ())
        fixed = None
        for name, text, meant in _candidates(template, value, names, now):
            texts = {name: text, **self._twin(name, meant)}
            if not _makes(template, now.having(texts), value):
                continue
            fixed = next((one for one in texts if one in self._inline), None)
            if fixed is None:
                return Made(texts, tuple(self._write(one, new) for one, new in texts.items()))
        if fixed is not None:
            raise NotEditableError(
                f"{fixed} is set in the Flux Kustomization itself",
                f"set spec.postBuild.substitute.{fixed} of that Kustomization",
            )
        told = shown(template, secret=secret)
        fixed_text = replaced(told, lambda name, _: f"<{name}>")
        raise NotEditableError(
            f"the file says {told}: no single variable makes the wished value of it",
            f"values of that field look like {fixed_text}, and must still be read so; edit the file for another",
        )

    def _twin(self, name: str, value: Any) -> dict[str, str]:
        """The text of the variable that says the same in quotes, or without them, if there is one."""
        other = pair(name, value)
        return {key: text for key, text in other.items() if key != name and any(s.has(key) for s in self._sources)}

    def _write(self, name: str, text: str) -> str:
        """Write a variable where it is to be written; where that is."""
        sources = [_Source.read(self._draft, source) for source in self._about]  # what is in them may have moved
        source = _owner(self._draft, sources, name)
        if source.built is None:
            below = "this repository" if source.about.entry is None else source.about.entry or "the repository's root"
            raise NoFileError(f"{source.about.ref} has {name}, and no file of {below} is known to describe it")
        wanted = data_field(source.built, name)
        spot = source.built.spot(self._draft, wanted)
        spot.write(self._draft, data_value(source.built, wanted, text))
        sealed = self._draft.is_sealed(spot.file)
        self._draft.go_through(source.about.ref)
        if source.about.ref.kind == "Secret" or sealed:
            self._draft.hold_secret(spot.file, sealed=sealed)
        if not sealed and _Source.read(self._draft, source.about).texts.get(name) != text:
            raise NotEditableError(f"{name} set {spot.why} would not reach {source.about.ref}")
        return f"{name} from {source.about.ref}: set {spot.why}"


def pair(name: str, value: Any) -> dict[str, str]:
    """A variable's text for a value, and its twin's: `max` is put in as a number, `max_text` in quotes of its own."""
    plain = value if isinstance(value, str) else _alone(value)
    if not name.endswith(TEXT_TWIN):
        return {name: _alone(value), f"{name}{TEXT_TWIN}": double_quoted(plain)}
    number = plain_value(plain)
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return {name: double_quoted(plain), **({name.removesuffix(TEXT_TWIN): plain} if is_number else {})}


@dataclass(frozen=True)
class _Source:
    about: VariableSource
    built: Built | None
    """None: the repository does not describe it."""
    texts: Mapping[str, str]
    """Its variables that can be read here."""

    @classmethod
    def read(cls, draft: Draft, source: VariableSource) -> _Source:
        if source.entry is None:
            return cls(source, None, {})
        try:
            built = Built.of(draft, chosen(Walk(draft, source.ref), source.entry))
        except NoFileError:
            return cls(source, None, {})
        return cls(source, built, dict(_texts(built)))

    @property
    def names(self) -> frozenset[str]:
        final = self.built.final if self.built is not None else {}
        there = [*mapping(final.get("data")), *mapping(final.get("stringData"))]
        return self.about.keys | frozenset(map(str, there))

    def has(self, name: str) -> bool:
        return name in self.names


def _texts(built: Built) -> Iterator[tuple[str, str]]:
    for key in ("data", "stringData"):
        for name, value in mapping(built.final.get(key)).items():
            if not isinstance(value, str) or is_sealed(value):
                continue
            try:
                yield str(name), decoded(value) if built.origin.kind == "Secret" and key == "data" else value
            except NotEditableError:
                continue  # bytes: no text, so that no template is filled with it


def _makes(template: str, values: Values, value: Any) -> bool:
    try:
        return same(filled(template, values), value)
    except NotEditableError:
        return False


def _candidates(template: str, value: Any, names: Sequence[str], now: Values) -> Iterator[tuple[str, str, Any]]:
    """Variables with texts that may make a value of a template, and what each means by itself."""
    if len(names) == 1 and replaced(template, lambda *_: "") == "" and template.count("${") == 1:
        yield names[0], _alone(value), value
        return
    if isinstance(value, dict | list):
        return
    text = value if isinstance(value, str) else written(value)
    for name in names:
        pattern = _pattern(template, name, now)
        match = re.fullmatch(pattern, text, re.DOTALL) if pattern is not None else None
        if match is not None:
            yield name, match["new"], match["new"]


def _pattern(template: str, name: str, now: Values) -> str | None:
    """What a template can become by another value of one variable, the others as they are; None: one is not known."""
    seen: list[str] = []
    known = True

    def put(other: str, default: str | None) -> str:
        nonlocal known
        if other == name:
            seen.append(other)
            return "(?P<new>.*)" if len(seen) == 1 else "(?P=new)"
        found = now.of(other, default)
        known = known and found is not None
        return re.escape(found or "")

    pattern = replaced(template, put, re.escape)
    return pattern if known else None


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
    # A ConfigMap is no place for what a Secret has.
    if own and not (having and sources[last].about.ref.kind == "Secret"):
        return own[-1]
    if not having:
        raise NotEditableError(f"no ConfigMap of the Kustomization's substituteFrom has {name}", "its default counts")
    kind = sources[last].about.ref.kind
    raise NotEditableError(
        f"{name} is in {sources[last].about.ref}, which `pulumi up` writes",
        f"change the stack's setting and run `pulumi up`; or add a {kind} of your own behind it in substituteFrom",
    )


def _is_emitted(draft: Draft, source: _Source, name: str) -> bool:
    if source.built is None:
        return False
    return bool(emitted_by(draft, source.built.spot(draft, data_field(source.built, name)).file))


def _alone(value: Any) -> str:
    """A value as the text of a variable that stands alone."""
    if isinstance(value, str):
        return value if reads_as_itself(value) else double_quoted(value)
    return in_flow(value, Manner(json=True)) if isinstance(value, dict | list) else written(value)
