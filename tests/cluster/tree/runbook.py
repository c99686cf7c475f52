"""The procedures of docs/runbook.md, as the commands that an operator would type."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[3] / "docs" / "runbook.md"


def procedure(heading: str) -> list[list[str]]:
    """The words of each command in the first block below a heading."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    block = re.search(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert block, f"{PAGE.name}: no commands below {heading}"
    return [shlex.split(line) for line in block[1].splitlines()]
