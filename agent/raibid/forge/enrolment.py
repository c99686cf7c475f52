"""The enrolment file: the operator's word on what is built of which repository.

Owns: its shape, its errors, which rule a repository falls under.
Leaves to others: using a rule (`intake.py`), telling the ledger the limits (`raibid.api.background`).

    default: {branches: [main, "release/*"]}     # every repository not named; leave out: those are not built
    repositories:
      acme/anvil: {paths: {include: ["src/**"], exclude: ["**/*.md"]}, limit: 2, priority: high}
      acme/rocket: {resource: gpu, approval: true}

Globs mean what they mean in `.raibid.yaml`. Without a file every repository whose webhook is signed is built.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from raibid.forge import names
from raibid.forge.errors import EnrolmentError, PayloadError
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

    @classmethod
    def everything(cls) -> Enrolment:
        """Every repository whose webhook is signed."""
        return cls(default=RepositoryRule())

    def rule(self, repository: str) -> RepositoryRule | None:
        """The repository's own rule, else the default one; None: it is not built."""
        return self.repositories.get(repository, self.default)

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
        EnrolmentError: unreadable, not YAML, unknown keys or wrong values; all of them, one `path: message` per line.
    """
    if path is None:
        return Enrolment.everything()
    try:
        if path.stat().st_size > _LARGEST:
            raise EnrolmentError(f"{path}: over {_LARGEST} bytes")
        # Aliases are harmless here: the safe loader shares what they name and the model below has no recursion.
        data = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        raise EnrolmentError(f"{path}: {error}") from error
    except (YAMLError, RecursionError) as error:
        raise EnrolmentError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    try:
        return Enrolment.model_validate(data)
    except ValidationError as error:
        raise EnrolmentError("\n".join(_lines(path, error))) from None


def _lines(path: Path, error: ValidationError) -> Iterable[str]:
    for problem in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in problem["loc"] if part != "[key]") or "(top)"
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "unknown key"
        yield f"{path}: {where}: {message}"
