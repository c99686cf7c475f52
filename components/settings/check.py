"""Values → settings, or everything that is wrong with them in one error.

Owns: the order of the checks (secrets in clear, shape, rules), so that no mistake hides another.
Leaves to others: where the values come from (`load`), the checks themselves (`secrets`, `model`, `rules`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from components.settings import rules
from components.settings.model import Profile, Settings
from components.settings.problems import Problem, SettingsError, from_pydantic
from components.settings.secrets import HIDDEN, SECRET_KEYS, in_clear


def parse(values: Mapping[str, Any], stack: str, found: Iterable[Problem] = ()) -> Settings:
    """Values by top-level key → settings; an empty `environment` is the stack's name. `found`: known mistakes.

    Raises:
        SettingsError: with every mistake in it.
    """
    secret = [_in_clear(location) for location in in_clear(values)]
    plain = _without_placeholders({key: value for key, value in values.items() if key not in SECRET_KEYS}, stack)
    try:
        settings = Settings.model_validate(plain, by_alias=True, by_name=False)
        wrong = list(rules.problems(_sections(settings)))
    except ValidationError as error:
        settings = None
        wrong = [*from_pydantic(error), *rules.problems(_valid_sections(plain))]
    known = [*found, *secret]
    told = {problem.path for problem in known}
    mistakes = [*known, *(problem for problem in wrong if problem.path not in told)]
    if settings is None or mistakes:
        raise SettingsError(f"Pulumi.{stack}.yaml", mistakes)
    return settings


def with_profile(settings: Settings, profile: Profile) -> Settings:
    """The same stack with another profile, for comparing them.

    Raises:
        SettingsError: this stack cannot have it.
    """
    other = settings.model_copy(update={"profile": profile})
    if mistakes := list(rules.problems(_sections(other))):
        raise SettingsError(f"Pulumi.{settings.environment}.yaml", mistakes)
    return other


def _without_placeholders(values: Mapping[str, Any], stack: str) -> dict[str, Any]:
    """Pulumi.yaml's defaults for "unset", as what they mean: a schema without null has no other words for it."""
    plain = dict(values)
    if plain.get("environment", "") == "":
        plain["environment"] = stack
    if plain.get("recipients") == {}:
        plain["recipients"] = None
    return plain


def _in_clear(location: tuple[str, ...]) -> Problem:
    way = f"under a key for secrets ({', '.join(SECRET_KEYS)})"
    if location[0] in SECRET_KEYS:
        way = f"with `pulumi config set --secret {location[0]}`"
    return Problem("".join(location), HIDDEN, "a secret in clear", f"it was seen: make a new one and set it {way}")


def _sections(settings: Settings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in Settings.model_fields}


def _valid_sections(values: Mapping[str, Any]) -> dict[str, Any]:
    """The sections that are right by themselves, so that rules between them still find what is wrong there."""
    sections = {}
    for name, field in Settings.model_fields.items():
        value = values.get(str(field.alias), field.get_default(call_default_factory=True))
        try:
            sections[name] = _adapter(name).validate_python(value, by_alias=True, by_name=False)
        except ValidationError:
            continue  # told already, by the check of the whole
    return sections


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    field = Settings.model_fields[name]
    # `Annotated` of a type that is only known now: a form that no type checker can follow.
    form: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return TypeAdapter(form)
