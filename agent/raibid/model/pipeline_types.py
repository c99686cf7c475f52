"""The values a pipeline file is made of: durations, names, globs; each parsed and judged once.

Owns: what one value may be, and the message when it is not.
Leaves to others: which keys there are and how values agree with each other (`pipeline`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer
from pydantic_core import PydanticCustomError

MAX_DURATION: Final = 24 * 3600
MAX_TEXT: Final = 30_000
"""Characters of a command or a variable: the kernel takes 128 KiB per argument, and UTF-8 needs up to 4 a character."""
MAX_NAME: Final = 100
MAX_ITEMS: Final = 100

EventName = Literal["push", "pull_request", "manual", "cron"]
EVENTS: Final[tuple[str, ...]] = ("push", "pull_request", "manual", "cron")

_DURATION = r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?"


def refusal(rule: str, message: str, suggestion: str = "") -> PydanticCustomError:
    """A validator's error that carries its rule and suggestion to the lint."""
    return PydanticCustomError(rule, "{text}", {"text": message, "suggestion": suggestion})


def parse_duration(value: object) -> object:
    """Seconds of `90s`, `10m`, `1h30m`. Whole seconds pass as they are: they come from code, not from a file."""
    if isinstance(value, str):
        found = re.fullmatch(_DURATION, value, re.ASCII)
        if not found or not value:
            suggestion = f"write `{value}s` or `{value}m`" if value.isdecimal() else "write `90s`, `10m` or `1h30m`"
            raise refusal("bad-duration", "this is not a duration", suggestion)
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        value = hours * 3600 + minutes * 60 + seconds
    if isinstance(value, int) and not 1 <= value <= MAX_DURATION:
        raise refusal("bad-duration", "a duration is from 1 s to 24 h", "without `timeout`, a pipeline has 30m")
    return value


def format_duration(seconds: int) -> str:
    """`1h30m` for 5400."""
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


Duration = Annotated[
    int,
    BeforeValidator(
        parse_duration, json_schema_input_type=Annotated[str, Field(pattern=r"^(?=.)(\d+h)?(\d+m)?(\d+s)?$")]
    ),
    PlainSerializer(format_duration, return_type=str),
]


def _not_blank(value: str) -> str:
    if not value.strip():
        raise refusal("empty", "this is empty")
    return value


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise refusal("multi-line-name", "this has line breaks or control characters", "keep it to one line")
    return value


def _matching(pattern: str, rule: str, message: str, suggest: Callable[[str], str]) -> tuple[AfterValidator, Any]:
    """A validator for text of this shape, and the same for the schema."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value, re.ASCII):
            raise refusal(rule, message, suggest(value))
        return value

    return AfterValidator(check), Field(json_schema_extra={"pattern": f"^{pattern}$"})


def _shouted(value: str) -> str:
    """The nearest legal name of a variable or secret."""
    name = re.sub(r"\W+", "_", value, flags=re.ASCII).strip("_").upper()[:MAX_NAME]
    return f"write `{name}`" if name and not name[0].isdigit() else ""


def _not_reserved(name: str) -> str:
    if name.upper().startswith("RAIBID_"):
        raise refusal("reserved-env-name", "names that begin with RAIBID_ are the agent's own", "choose another prefix")
    return name


_SECRET = _matching(r"[A-Z_][A-Z0-9_]*", "bad-secret-name", "this is not a secret's name", _shouted)
_ENV = _matching(r"[A-Za-z_][A-Za-z0-9_]*", "bad-env-name", "this is not a variable's name", _shouted)
_CLASS = _matching(
    r"[a-z0-9][a-z0-9._-]*", "bad-class", "this is not a class's name", lambda v: f"such as `{v.lower()}`" * v.isalnum()
)
_IMAGE = _matching(
    r"[A-Za-z0-9][A-Za-z0-9._/:@-]*", "bad-image", "this is not an image's reference", lambda _: "such as `rust:1.90`"
)

Name = Annotated[str, Field(max_length=MAX_NAME), AfterValidator(_not_blank), AfterValidator(_one_line)]
Command = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(_not_blank)]
SecretName = Annotated[str, Field(max_length=MAX_NAME), *_SECRET, AfterValidator(_not_reserved)]
EnvName = Annotated[str, Field(max_length=MAX_NAME), *_ENV, AfterValidator(_not_reserved)]
ClassName = Annotated[str, Field(max_length=MAX_NAME), *_CLASS]
ImageName = Annotated[str, Field(max_length=255), *_IMAGE]
EnvValue = Annotated[
    str,
    # Numbers and booleans in a file are text as written, so an editor must not mark them.
    BeforeValidator(lambda value: value, json_schema_input_type=str | int | float | bool),
    Field(max_length=MAX_TEXT),
]
Env = Annotated[dict[EnvName, EnvValue], Field(max_length=MAX_ITEMS, json_schema_extra={"additionalProperties": False})]


def _flag(value: object) -> object:
    """YAML 1.2 has two booleans; `yes` and `on` are text."""
    if isinstance(value, str):
        if value not in ("true", "false"):
            raise refusal("unknown-value", "this is neither true nor false", "write `true` or `false`")
        return value == "true"
    return value


Flag = Annotated[bool, BeforeValidator(_flag, json_schema_input_type=bool)]


def _relative(glob: str) -> str:
    parts = glob.split("/")
    if glob.startswith("/") or ".." in parts:
        raise refusal("glob-outside", "this leaves the checkout", "paths are relative to the repository's root")
    if any("**" in part and part != "**" for part in parts):
        raise refusal("bad-glob", "`**` does not stand alone between slashes", "write `src/**/*.rs`, not `src/**.rs`")
    if "\\" in glob:
        raise refusal("bad-glob", "this has a backslash", "separate folders with `/`")
    if any(part in ("", ".") for part in parts):
        tidy = "/".join(part for part in parts if part not in ("", "."))
        raise refusal("bad-glob", "this has an empty or `.` segment", f"write `{tidy}`" if tidy else "")
    return glob


def one_or_more(value: object) -> object:
    """`main` is short for `[main]`."""
    return (value,) if isinstance(value, str) else value


def _some(items: tuple[Any, ...]) -> tuple[Any, ...]:
    # Not `min_length`: pydantic counts only the items that are right, and would call a list of wrong ones empty.
    if not items:
        raise refusal("empty", "the list is empty", "add an item, or remove the key")
    return items


NotEmpty: Final = (AfterValidator(_some), Field(json_schema_extra={"minItems": 1}))

Glob = Annotated[str, Field(max_length=1000), AfterValidator(_not_blank), AfterValidator(_relative)]
GlobList = Annotated[
    tuple[Glob, ...],
    Field(max_length=MAX_ITEMS),
    *NotEmpty,
    BeforeValidator(one_or_more, json_schema_input_type=Glob | list[Glob]),
]
EventList = Annotated[
    tuple[EventName, ...],
    *NotEmpty,
    BeforeValidator(one_or_more, json_schema_input_type=EventName | list[EventName]),
]
