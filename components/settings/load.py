"""The one place that reads a stack's config: from its files, or from the engine that runs the program.

Owns: Pulumi.yaml's defaults under Pulumi.<stack>.yaml's values, whose key is whose, what is encrypted and should be.
Leaves to others: what the values mean (`check`), decryption (the engine: a file's secrets stay closed here).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from components.settings.check import parse
from components.settings.model import Settings
from components.settings.problems import Problem, SettingsError, near
from components.settings.secrets import HIDDEN, SECRET_KEYS, StackSecrets, shown

PROJECT: Final = "raibid-ci"
HERE: Final = Path(__file__).parent.parent.parent
"""Where Pulumi.yaml is."""

_FOREIGN: Final = ("pulumi", "kubernetes", "command")
"""Namespaces of the engine and of the two providers; theirs to check."""
_STACK_FILE: Final = ("config", "environment", "secretsprovider", "encryptedkey", "encryptionsalt")


def load_stack(stack: str, directory: Path = HERE) -> Settings:
    """A stack's settings without an engine: Pulumi.yaml's defaults, then Pulumi.<stack>.yaml. Secrets stay closed.

    Raises:
        SettingsError: no such stack, not YAML, or mistakes in it: every one is named.
    """
    file = directory / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        raise _unknown(stack, directory)
    content = _read(file)
    schema = _read(directory / "Pulumi.yaml")
    defaults = {key: entry["default"] for key, entry in schema["config"].items() if "default" in entry}
    config = content.get("config") or {}
    if not isinstance(config, dict):
        raise _refused(file, "config", HIDDEN, "is no list of keys", f"write {PROJECT}:<key> under it")
    own, found = _own(config)
    found += [_outside_of_config(str(key)) for key in content if key not in _STACK_FILE]
    closed = {key for key, value in own.items() if _encrypted(value)}
    found += [_no_secret(key) for key in closed - set(SECRET_KEYS)]
    return parse({**defaults, **{key: own[key] for key in own if key not in closed}}, stack, found)


def from_pulumi() -> tuple[Settings, StackSecrets]:
    """Settings and secrets of the stack that the engine runs; secrets stay Outputs that are marked secret.

    Raises:
        SettingsError: with every mistake in it.
    """
    import pulumi
    from pulumi.runtime.config import CONFIG, get_config_env, is_config_secret

    own, found = _own({**get_config_env(), **CONFIG.get()})
    closed = {key for key in own if is_config_secret(f"{PROJECT}:{key}")}
    found += [_no_secret(key) for key in closed - set(SECRET_KEYS)]
    values: dict[str, Any] = {}
    for key in own.keys() - closed:
        try:
            # Objects and lists arrive as JSON, all else as it is.
            values[key] = json.loads(own[key]) if key in Settings.sections() else own[key]
        except ValueError:
            found.append(Problem(key, HIDDEN, "is no JSON", f"set it with pulumi config set --path '{key}…'"))
    settings = parse(values, pulumi.get_stack(), found)
    config = pulumi.Config(PROJECT)
    secrets = {field: config.get_secret(key) for key, field in SECRET_KEYS.items() if own.get(key)}
    return settings, StackSecrets(**secrets)


def _own(config: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """This project's values by key, and the keys that are nobody's."""
    values: dict[str, Any] = {}
    found = []
    for name, value in config.items():
        namespace, colon, key = str(name).partition(":")
        if namespace == PROJECT and colon:
            values[key] = value
        elif namespace not in _FOREIGN or not colon:
            found.append(Problem(str(name), HIDDEN, "unknown namespace", f"write {PROJECT}:{key or namespace}"))
    return values, found


def _encrypted(value: object) -> bool:
    """Whether a value is, or holds, ciphertext."""
    if isinstance(value, Mapping):
        return set(value) == {"secure"} or any(map(_encrypted, value.values()))
    return isinstance(value, list) and any(map(_encrypted, value))


def _no_secret(key: str) -> Problem:
    return Problem(key, HIDDEN, "is encrypted, but is no secret", f"pulumi config set {key} … without --secret")


def _outside_of_config(key: str) -> Problem:
    way = f"values go under config: as {PROJECT}:{key.rpartition(':')[2]}"
    return Problem(key, HIDDEN, "unknown key of a stack's file", way)


def _unknown(stack: str, directory: Path) -> SettingsError:
    """No file of that name: the name is to be corrected, not the file."""
    known = sorted(path.name.split(".")[1] for path in directory.glob("Pulumi.*.yaml"))
    problem = Problem("stack", stack, "there is no stack of that name", near(stack, known))
    way = f"choose one of {', '.join(known)}, or make one: pulumi stack init <name>, then write Pulumi.<name>.yaml"
    return SettingsError("--stack", [problem], way)


def _refused(file: Path, path: str, value: str, rule: str, suggestion: str) -> SettingsError:
    """The one mistake that ends the reading of a file."""
    return SettingsError(file.name, [Problem(path, value, rule, suggestion)])


def _read(file: Path) -> dict[str, Any]:
    # YAML 1.2 and no duplicate keys, as Pulumi reads it; PyYAML's 1.1 makes `no` false and keeps the last of two keys.
    try:
        content = YAML(typ="safe").load(file)
    except OSError as error:
        raise _refused(file, file.name, "unreadable", error.strerror or "cannot be read", "check its mode") from None
    except YAMLError as error:
        # Not the error's own text: it quotes the line, and the line may hold a secret.
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "the file"
        raise _refused(file, where, HIDDEN, "not YAML", _yaml_problem(error)) from None
    if not isinstance(content, dict):
        raise _refused(file, file.name, shown("", content), "not a stack's file", "start it with config:")
    return content


def _yaml_problem(error: YAMLError) -> str:
    problem = str(getattr(error, "problem", None) or "check its indentation")
    # `found duplicate key "a" with value "…"`: the value stays here.
    return problem.partition(" with value ")[0]
