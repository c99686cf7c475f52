"""A pipeline as `.raibid.yaml` says it: frozen, checked, and the source of the JSON Schema and the reference.

Owns: the keys, their defaults, and how values must agree with each other.
Leaves to others: single values (`pipeline_types`), reading and reporting (`lint`), which steps run (`conditions`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from raibid.model.pipeline_types import (
    MAX_ITEMS,
    ClassName,
    Command,
    Duration,
    Env,
    EventList,
    Flag,
    GlobList,
    ImageName,
    Name,
    NotEmpty,
    SecretName,
    format_duration,
    parse_duration,
    refusal,
)

DEFAULT_TIMEOUT: Final = 30 * 60


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Globs(_Model):
    """Names that some of `include` and none of `exclude` match."""

    include: GlobList = Field(default=("**",), description="Globs of which one must match.")
    exclude: GlobList = Field(default=(), description="Globs of which none may match.")


def _globs(value: object) -> object:
    """`main` and `[main]` are short for `{include: [main]}`."""
    return {"include": value} if isinstance(value, str | list | tuple) else value


Filter = Annotated[Globs, BeforeValidator(_globs, json_schema_input_type=str | list[str] | Globs)]


class When(_Model):
    """When a step runs: every filter that is given must agree."""

    branch: Filter | None = Field(
        default=None, description="Globs of branches; `*` stays within a segment, `**` does not."
    )
    event: EventList | None = Field(default=None, description="What caused the build.")
    path: Filter | None = Field(
        default=None,
        description="Globs of changed files, one of which must match. Passes when the changes are not known.",
    )


class Step(_Model):
    """One command. Steps run in order, each in a shell of its own, in the checkout, until one fails."""

    name: Name = Field(description="Unique; shown in the log and the report.")
    run: Command = Field(description="Script for the shell.")
    env: Env = Field(default={}, description="Variables of this step; they win over the pipeline's.")
    timeout: Duration | None = Field(
        default=None, description="Longest time; without it, what is left of the pipeline's."
    )
    when: When = Field(default=When(), description="Filters; a step they do not fit is skipped, not failed.")


class Reports(_Model):
    """Files in which steps say more than their exit code does."""

    junit: GlobList = Field(default=(), description="Globs of JUnit XML files: tests.")
    cargo: GlobList = Field(
        default=(), description="Globs of files with cargo's `--message-format=json`: errors and warnings by line."
    )


class Concurrency(_Model):
    """Builds of a repository that must not run beside each other; of a fork's pull request, only its own."""

    group: Name = Field(description="The group's name.")
    cancel: Flag = Field(default=False, description="Whether a new build cancels the older ones of its group.")


def _concurrency(value: object) -> object:
    return {"group": value} if isinstance(value, str) else value


class Pipeline(_Model):
    """What to do with a commit."""

    steps: Annotated[tuple[Step, ...], *NotEmpty] = Field(max_length=MAX_ITEMS, description="The commands, in order.")
    image: ImageName | None = Field(default=None, description="Hint: the container image to build in.")
    size_class: ClassName | None = Field(
        default=None, alias="class", description="Hint: the class of machine to build on."
    )
    env: Env = Field(default={}, description="Variables of all steps.")
    secrets: tuple[SecretName, ...] = Field(
        default=(), max_length=MAX_ITEMS, description="Names of secrets that the steps get as variables."
    )
    artifacts: GlobList = Field(default=(), description="Globs of files to keep after the build.")
    reports: Reports = Field(default=Reports(), description="Report files that steps write into the checkout.")
    timeout: Duration = Field(default=DEFAULT_TIMEOUT, description="Longest time of all steps together.")
    concurrency: (
        Annotated[Concurrency, BeforeValidator(_concurrency, json_schema_input_type=str | Concurrency)] | None
    ) = Field(default=None, description="Group of the repository's builds that run one at a time.")

    @model_validator(mode="after")
    def _agrees(self) -> Pipeline:
        found = list(clashes(self.as_data()))
        if found:
            raise refusal(CLASH, "; ".join(clash.message for clash in found))
        return self

    def as_data(self) -> dict[str, Any]:
        """The pipeline as a file would say it, without short forms; `Pipeline.model_validate` takes it back."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


CLASH: Final = "clash"
"""Type of the error for values that do not agree; the lint reports each clash at its place instead."""


@dataclass(frozen=True)
class Clash:
    """Two values that are right alone and wrong together."""

    path: tuple[str | int, ...]
    rule: str
    message: str
    suggestion: str


def clashes(data: Mapping[str, Any]) -> Iterator[Clash]:
    """Values that do not agree. Takes a file's data, right or not, so that all mistakes are told at once."""
    raw = data.get("steps")
    steps = {i: step for i, step in enumerate(raw) if isinstance(step, dict)} if isinstance(raw, list) else {}
    yield from _name_clashes(steps)
    yield from _timeout_clashes(steps, data.get("timeout", DEFAULT_TIMEOUT))
    secrets = data.get("secrets")
    names = {name for name in secrets if isinstance(name, str)} if isinstance(secrets, list) else set()
    yield from _env_clashes(data.get("env"), ("env",), names)
    for index, step in steps.items():
        yield from _env_clashes(step.get("env"), ("steps", index, "env"), names)


def _name_clashes(steps: Mapping[int, Mapping[str, Any]]) -> Iterator[Clash]:
    first: dict[str, int] = {}
    for index, step in steps.items():
        name = step.get("name")
        if not isinstance(name, str):
            continue
        owner = first.setdefault(name, index)
        if owner != index:
            message = f"steps[{owner}] and steps[{index}] have the same name"
            yield Clash(("steps", index, "name"), "duplicate-step-name", message, "rename one")


def _timeout_clashes(steps: Mapping[int, Mapping[str, Any]], limit: object) -> Iterator[Clash]:
    whole = _seconds(limit)
    for index, step in steps.items():
        own = _seconds(step.get("timeout"))
        if own and whole and own > whole:
            message = f"the step may take {format_duration(own)}, the pipeline {format_duration(whole)}"
            suggestion = f"raise the pipeline's `timeout` to {format_duration(own)} or more"
            yield Clash(("steps", index, "timeout"), "step-outlives-pipeline", message, suggestion)


def _env_clashes(env: object, path: tuple[str | int, ...], secrets: set[str]) -> Iterator[Clash]:
    for name in sorted(secrets.intersection(env)) if isinstance(env, dict) else ():
        yield Clash((*path, name), "env-hides-secret", f"`{name}` is also among `secrets`", "keep one of the two")


def _seconds(value: object) -> int | None:
    """A duration, or None for what is none: that is another finding."""
    try:
        parsed = parse_duration(value)
    except PydanticCustomError:
        return None
    return parsed if isinstance(parsed, int) else None
