"""Targets of notifications: names in the enrolment file, URLs in a file of the operator's, delivery by apprise.

Owns: reading the file, sending one message, and that no URL reaches a log: all of them hold secrets.
Leaves to others: what is sent to whom (`notices.py`), when and again (`notifications.py`).

    team: slack://TokenA/TokenB/TokenC          # apprise's own notation, github.com/caronc/apprise
    ops: [mailto://user:password@mail.example.org, json://hooks.example.org/ci]
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import apprise
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from raibid.api.notices import Message, Mood
from raibid.forge.notify import TARGET
from raibid.model.pipeline_types import one_or_more

Targets = Mapping[str, tuple[str, ...]]
"""Name → its URLs."""


@dataclass(frozen=True)
class Address:
    """One URL of a target. What one does not take, the target's others must not get again."""

    target: str
    number: int
    """Among the target's URLs, from 1. It is known by that and not by its URL, in which a secret may be rotated."""
    url: str = field(repr=False)

    @property
    def name(self) -> str:
        """As log, metrics and cursors call it: `ops`, `ops#2`."""
        return self.target if self.number == 1 else f"{self.target}#{self.number}"


def addresses(targets: Targets) -> dict[str, Address]:
    """All URLs of all targets, by name."""
    each = (Address(name, number, url) for name, urls in targets.items() for number, url in enumerate(urls, 1))
    return {address.name: address for address in each}


_LARGEST: Final = 256 * 1024
_SECONDS: Final = 20.0
"""One message to one URL, all in all: a service that answers byte by byte must not hold up the others."""
_FILE: Final = TypeAdapter(
    dict[
        Annotated[str, Field(pattern=TARGET)],
        Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(one_or_more)],
    ]
)
_MOODS: Final = {
    Mood.GOOD: apprise.NotifyType.SUCCESS,
    Mood.BAD: apprise.NotifyType.FAILURE,
    Mood.NEITHER: apprise.NotifyType.INFO,
}
_HTTP_STATUS: Final = re.compile(r"\berror=(\d{3})\b")
"""In apprise's own words about a failure: all of them that is safe to repeat."""


class TargetError(Exception):
    """A target did not take a message, or the file of targets cannot be used. Names targets, never a URL."""


def load_targets(path: Path) -> Targets:
    """The file's targets; none while there is no file: in Kubernetes it is a key of a Secret that need not exist.

    Raises:
        TargetError: unreadable, not YAML, or something in it that is no target; all of it, one per line.
    """
    silence_urls()
    try:
        if path.stat().st_size > _LARGEST:
            raise TargetError(f"{path}: over {_LARGEST} bytes")
        data = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeError) as error:
        raise TargetError(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None
    except (YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)  # the error's own words quote the line, and so a secret
        raise TargetError(f"{path}{f':{mark.line + 1}' if mark else ''}: not YAML") from None
    try:
        targets = _FILE.validate_python({} if data is None else data)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        lines = [f"{path}: {'.'.join(map(str, p['loc'])) or '(top)'}: {p['msg']}" for p in problems]
        raise TargetError("\n".join(lines)) from None
    bad = [name for name, urls in targets.items() if not all(map(apprise.Apprise.instantiate, urls))]
    if bad:
        raise TargetError("\n".join(f"{path}: {name}: not a URL that apprise knows" for name in bad))
    return targets


def send(address: Address, message: Message) -> None:
    """Send a message. Blocks for seconds.

    Raises:
        TargetError: it was not taken.
    """
    name = address.name
    silence_urls()
    asset = apprise.AppriseAsset(
        app_id="raibid",
        app_desc="CI pool",
        async_mode=False,
        service_timeout=_SECONDS,
        storage_mode=apprise.PersistentStoreMode.MEMORY,  # nothing of it is written to a disk
        allow_templates=False,  # a commit's message is a stranger's text
    )
    service = apprise.Apprise(asset=asset)
    if not service.add(address.url):
        raise TargetError(f"{name}: not a URL that apprise knows")
    result = service.notify(
        title=message.title,
        body=message.body,
        notify_type=_MOODS[message.mood],
        body_format=apprise.NotifyFormat.TEXT,
    )
    if not result:
        words = " ".join(str(entry) for each in result for attempt in each.attempts for entry in attempt.logs)
        status = _HTTP_STATUS.search(words)
        raise TargetError(f"{name}: {f'HTTP {status[1]}' if status else 'not delivered (' + result.status.name + ')'}")


def silence_urls() -> None:
    """Keep URLs out of every log: apprise's own words about a failure, and urllib3's about each request, name them."""
    words = logging.getLogger("apprise")
    words.propagate = False
    if not words.handlers:
        words.addHandler(logging.NullHandler())  # or Python would print them after all
    requests = logging.getLogger("urllib3.connectionpool")
    if requests.getEffectiveLevel() < logging.INFO:
        requests.setLevel(logging.INFO)
