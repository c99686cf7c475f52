"""Pods as Kubernetes shows them, by the name of how they ended."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import yaml
from lightkube.resources.core_v1 import Event, Pod

DIRECTORY: Final = Path(__file__).parent / "fixtures" / "pods"
NAMES: Final = sorted(file.stem for file in DIRECTORY.glob("*.yaml"))
CREATED: Final = 1795273200.0
"""When all of them were created: 2026-11-21T15:00:00Z."""


def pod(name: str, *, called: str = "", uid: str = "") -> Pod:
    """The pod of that file; with `called` another one that ended alike."""
    content = yaml.safe_load((DIRECTORY / f"{name}.yaml").read_text())
    content["metadata"] |= {k: v for k, v in (("name", called), ("uid", uid or called)) if v}
    return msgspec.convert(content, Pod)


def warning(
    reason: str, message: str, *, of: str = "", uid: str = "", kind: str = "Pod", at: str = "2026-11-21T15:01:00Z"
) -> Event:
    """A Warning event about the object with that name, which is its uid too unless one is given."""
    about = {"kind": kind, "name": of, "uid": uid or of}
    names = {"metadata": {"name": f"{of or 'x'}.{reason}"}, "involvedObject": about, "type": "Warning"}
    return msgspec.convert({**names, "reason": reason, "message": message, "lastTimestamp": at, "count": 3}, Event)
