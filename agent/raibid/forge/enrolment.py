"""The enrolment file: the operator's word on what is built of which repository.

Owns: its shape, its errors, which rule a repository falls under.
Leaves to others: using a rule (`intake.py`), telling the ledger the limits (`raibid.api.background`).

    default: {branches: [main, "release/*"]}     # every repository not named; leave out: those are not built
    repositories:
      acme/anvil: {paths: {include: ["src/**"], exclude: ["**/*.md"]}, limit: 2, priority: high}
      acme/rocket: {resource: gpu, approval: true}
      acme/clock: {cron: [{branch: main, schedule: "17 3 * * *", timezone: Europe/Vienna}]}
      acme/glue: {notify: [{on: [failed, fixed], branches: main, to: team}]}
    mirrors: ["mirrors/tool-*"]                  # copies of other forges' repositories are built only if named

Globs mean what they mean in `.raibid.yaml`. Without a file every repository whose webhook is signed is built.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from raibid.forge import names
from raibid.forge.errors import EnrolmentError, PayloadError
from raibid.forge.notify import NotifyRule
from raibid.forge.schedule import CronRule
from raibid.model.conditions import passes
from raibid.model.job import Priority
from raibid.model.pipeline import Filter

_LARGEST: Final = 1024 * 1024
_PRIORITIES: Final = {p.name.lower(): p for p in Priority}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RepositoryRule(_Model):
    """What is built of a repository, and how."""

    branches: Filter | None = None
    paths: Filter | None = None
    limit: int | None = Field(default=None, ge=1, le=1_000)
    """Jobs at once; None: no limit of its own."""
    priority: Literal["urgent", "high", "normal", "low"] = "normal"
    resource: str = Field(default="", pattern=r"^[A-Za-z0-9_.-]{0,64}$")
    """A counted resource each of its jobs needs, such as `gpu`."""
    approval: bool = False
    """Whether its jobs wait for a person."""
    supersede: bool | None = None
    """Whether a newer commit of a ref cancels the older one's job; None: of pull requests and side branches."""
    notify: Sequence[NotifyRule] | None = None
    """Who hears how its jobs end; None: whoever the default's rules name."""
    cron: Sequence[CronRule] = ()
    """Branches that are built at certain times."""

    @property
    def priority_class(self) -> Priority:
        """The class the ledger ranks by."""
        return _PRIORITIES[self.priority]


def _repository(name: str) -> str:
    try:
        return names.repository(name)
    except PayloadError as error:
        raise ValueError(str(error)) from None


class Enrolment(_Model):
    """All rules."""

    default: RepositoryRule | None = None
    repositories: Mapping[Annotated[str, AfterValidator(_repository)], RepositoryRule] = {}
    mirrors: Filter | None = None
    """Repositories that may be built although they are mirrors; one that `repositories` names may anyway."""

    @classmethod
    def everything(cls) -> Enrolment:
        """Every repository whose webhook is signed."""
        return cls(default=RepositoryRule())

    def rule(self, repository: str, *, mirror: bool = False) -> RepositoryRule | None:
        """The repository's own rule, else the default one; None: it is not built.

        `mirror`: it is a copy of one elsewhere. Whoever pushes there is not known here, so the default is not enough.
        """
        own = self.repositories.get(repository)
        if own or not mirror:
            return own or self.default
        return (self.default or RepositoryRule()) if self.mirrors and passes(self.mirrors, repository) else None

    def notify(self, repository: str) -> Sequence[NotifyRule]:
        """The rules about the repository: its own, else the default's."""
        own = self.repositories.get(repository)
        if own and own.notify is not None:
            return own.notify
        return (self.default and self.default.notify) or ()

    @property
    def targets(self) -> frozenset[str]:
        """All targets of notifications that rules name."""
        rules = [*self.repositories.values(), *([self.default] if self.default else [])]
        return frozenset(target for rule in rules for notify in rule.notify or () for target in notify.to)

    @field_validator("default")
    @classmethod
    def _names_a_repository(cls, default: RepositoryRule | None) -> RepositoryRule | None:
        if default and default.cron:
            raise ValueError("cron: a schedule belongs to a repository; name it under `repositories`")
        return default

    @property
    def limits(self) -> dict[str, int]:
        """Repository → jobs at once; `*` for each one that has none of its own."""
        limits = {name: rule.limit for name, rule in self.repositories.items() if rule.limit is not None}
        if self.default and self.default.limit is not None:
            limits["*"] = self.default.limit
        return limits


def load_enrolment(path: Path | None) -> Enrolment:
    """The file's rules; without a file, `Enrolment.everything()`.

    Raises:
        EnrolmentError: unreadable, not YAML, unknown keys or wrong values; all of them, each `path:line: key: message`.
    """
    if path is None:
        return Enrolment.everything()
    try:
        if path.stat().st_size > _LARGEST:
            raise EnrolmentError(f"{path}: over {_LARGEST} bytes")
        # Aliases are harmless here: the safe loader shares what they name and the model below has no recursion.
        text = path.read_text(encoding="utf-8")
        data = YAML(typ="safe", pure=True).load(text)
    except (OSError, UnicodeError) as error:
        raise EnrolmentError(f"{path}: {error}") from error
    except (YAMLError, RecursionError) as error:
        raise EnrolmentError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    try:
        return Enrolment.model_validate(data)
    except ValidationError as error:
        raise EnrolmentError("\n".join(_lines(path, text, error))) from None


def _lines(path: Path, text: str, error: ValidationError) -> Iterable[str]:
    root = YAML(typ="rt", pure=True).compose(text)
    for problem in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in problem["loc"] if part != "[key]") or "(top)"
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "unknown key"
        yield f"{path}:{_line(root, problem['loc'])}: {where}: {message}"


def _line(node: Node | None, where: Sequence[str | int]) -> int:
    """The line of the value that an error is about, or of the nearest one around it."""
    line = 1
    for part in where:
        if isinstance(node, MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
        elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = (node.value[part], node.value[part])
        else:
            found = None
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line
