"""The one place that reads a stack's config: from its files, or from the engine that runs the program.

Owns: Pulumi.yaml's defaults under Pulumi.<stack>.yaml's values, the refusal of unknown keys and of secrets in clear,
all mistakes in one error.
Leaves to others: the shape (`model`), the rules (`rules`), decryption (the engine: a file's secrets stay closed here).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from components.settings import rules
from components.settings.model import Profile, Settings
from components.settings.problems import Problem, SettingsError, from_pydantic, near
from components.settings.secrets import HIDDEN, SECRET_KEYS, StackSecrets, in_clear, shown

PROJECT: Final = "raibid-ci"
HERE: Final = Path(__file__).parent.parent.parent
"""Where Pulumi.yaml is."""

_FOREIGN: Final = ("pulumi", "kubernetes", "command")
"""Namespaces of the engine and of the two providers; theirs to check."""
_STACK_FILE: Final = ("config", "environment", "secretsprovider", "encryptedkey", "encryptionsalt")


def parse(values: Mapping[str, Any], stack: str, *, source: str = "") -> Settings:
    """Values by top-level key, without secrets → settings; an empty `environment` is the stack's name.

    Raises:
        SettingsError: with every mistake in it.
    """
    return _settings(values, stack, source or f"Pulumi.{stack}.yaml", ())


def load_stack(stack: str, directory: Path = HERE) -> Settings:
    """A stack's settings without an engine: Pulumi.yaml's defaults, then Pulumi.<stack>.yaml. Secrets stay closed.

    Raises:
        SettingsError: no such stack, not YAML, or mistakes in it: every one is named.
    """
    file = directory / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        known = [path.name.split(".")[1] for path in directory.glob("Pulumi.*.yaml")]
        raise SettingsError(file.name, [Problem("stack", stack, "has no such file", near(stack, known))])
    content = _read(file)
    schema = _read(directory / "Pulumi.yaml")
    defaults = {key: entry["default"] for key, entry in schema["config"].items() if "default" in entry}
    found = [
        Problem(
            key,
            HIDDEN,
            "unknown key of a stack's file",
            f"values go under config: as {PROJECT}:{str(key).rpartition(':')[2]}",
        )
        for key in content
        if key not in _STACK_FILE
    ]
    config = content.get("config") or {}
    if not isinstance(config, dict):
        raise SettingsError(
            file.name, [Problem("config", HIDDEN, "is no list of keys", f"write {PROJECT}:<key> under it")]
        )
    values, secrets, misplaced = _own(config)
    found += misplaced
    for key in secrets - set(SECRET_KEYS):
        found.append(
            Problem(key, HIDDEN, "is encrypted, but is no secret", f"pulumi config set {key} … without --secret")
        )
    return _settings({**defaults, **values}, stack, file.name, found)


def from_pulumi() -> tuple[Settings, StackSecrets]:
    """Settings and secrets of the stack that the engine runs; secrets stay Outputs that are marked secret.

    Raises:
        SettingsError: with every mistake in it.
    """
    import pulumi
    from pulumi.runtime.config import CONFIG, get_config_env, is_config_secret

    stack = pulumi.get_stack()
    raw: dict[str, Any] = {**get_config_env(), **CONFIG.get()}
    own, _, found = _own(raw)
    config = pulumi.Config(PROJECT)
    closed = {key for key in own if is_config_secret(f"{PROJECT}:{key}")}
    for key in closed - set(SECRET_KEYS):
        found.append(
            Problem(key, HIDDEN, "is encrypted, but is no secret", f"pulumi config set {key} … without --secret")
        )
    values = {}
    for key, text in own.items():
        if key in Settings.sections() and key not in closed:
            try:
                values[key] = json.loads(text)
            except ValueError:
                found.append(Problem(key, HIDDEN, "is no JSON", f"set it with pulumi config set --path '{key}…'"))
        elif key not in closed:
            values[key] = text
    settings = _settings(values, stack, f"Pulumi.{stack}.yaml", found)
    secrets = {field: config.get_secret(key) for key, field in SECRET_KEYS.items() if own.get(key)}
    return settings, StackSecrets(**secrets)


def with_profile(settings: Settings, profile: Profile) -> Settings:
    """The same stack with another profile, for comparing them.

    Raises:
        SettingsError: this stack cannot have it.
    """
    other = settings.model_copy(update={"profile": profile})
    if mistakes := list(rules.problems({name: getattr(other, name) for name in Settings.model_fields})):
        raise SettingsError(f"Pulumi.{settings.environment}.yaml", mistakes)
    return other


def _own(config: Mapping[str, Any]) -> tuple[dict[str, Any], set[str], list[Problem]]:
    """This project's values and encrypted keys, and keys of nobody."""
    values: dict[str, Any] = {}
    secrets: set[str] = set()
    found = []
    for name, value in config.items():
        namespace, colon, key = str(name).partition(":")
        if namespace == PROJECT and colon:
            if _encrypted(value):
                secrets.add(key)
            else:
                values[key] = value
        elif namespace not in _FOREIGN or not colon:
            found.append(Problem(str(name), HIDDEN, "unknown namespace", f"write {PROJECT}:{key or namespace}"))
    return values, secrets, found


def _encrypted(value: object) -> bool:
    """Whether a value is, or holds, ciphertext."""
    if isinstance(value, Mapping):
        return set(value) == {"secure"} or any(map(_encrypted, value.values()))
    return isinstance(value, list) and any(map(_encrypted, value))


def _settings(values: Mapping[str, Any], stack: str, source: str, found: Sequence[Problem]) -> Settings:
    """The answer, or everything that is wrong with it."""
    secret = [_in_clear(location) for location in in_clear(values)]
    plain = {key: value for key, value in values.items() if key not in SECRET_KEYS}
    # Pulumi.yaml's defaults for "unset": a schema without null has no other words for it.
    if plain.get("environment", "") == "":
        plain["environment"] = stack
    if plain.get("recipients") == {}:
        plain["recipients"] = None
    try:
        settings = Settings.model_validate(plain, by_alias=True, by_name=False)
        wrong = list(rules.problems({name: getattr(settings, name) for name in Settings.model_fields}))
    except ValidationError as error:
        settings = None
        wrong = [*from_pydantic(error), *rules.problems(_valid_sections(plain))]
    told = {problem.path for problem in (*found, *secret)}
    mistakes = [*found, *secret, *(problem for problem in wrong if problem.path not in told)]
    if settings is None or mistakes:
        raise SettingsError(source, mistakes)
    return settings


def _in_clear(location: tuple[str, ...]) -> Problem:
    own = location[0] in SECRET_KEYS
    way = (
        f"with `pulumi config set --secret {location[0]}`"
        if own
        else f"under a key for secrets ({', '.join(SECRET_KEYS)})"
    )
    return Problem("".join(location), HIDDEN, "a secret in clear", f"it was seen: make a new one and set it {way}")


def _valid_sections(values: Mapping[str, Any]) -> dict[str, Any]:
    """The sections that are right by themselves, so that rules between them still find what is wrong there."""
    sections = {}
    for name, field in Settings.model_fields.items():
        try:
            value = (
                values[field.alias or name]
                if (field.alias or name) in values
                else field.get_default(call_default_factory=True)
            )
            sections[name] = _adapter(name).validate_python(value, by_alias=True, by_name=False)
        except ValidationError:
            continue
    return sections


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    field = Settings.model_fields[name]
    # `Annotated` of a type that is only known now: a form that no type checker can follow.
    form: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return TypeAdapter(form)


def _read(file: Path) -> dict[str, Any]:
    # YAML 1.2 and no duplicate keys, as Pulumi reads it; PyYAML's 1.1 makes `no` false and keeps the last of two keys.
    try:
        content = YAML(typ="safe").load(file)
    except OSError as error:
        raise SettingsError(
            file.name, [Problem(file.name, "unreadable", error.strerror or "cannot be read", "check its mode")]
        ) from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "the file"
        raise SettingsError(
            file.name,
            [Problem(where, HIDDEN, "not YAML", str(getattr(error, "problem", "")) or "check its indentation")],
        ) from None
    if not isinstance(content, dict):
        raise SettingsError(
            file.name, [Problem(file.name, shown("", content), "not a stack's file", "start it with config:")]
        )
    return content
