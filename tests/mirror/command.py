"""The real `raibid mirror …` as a process, with an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Command:
    """`raibid mirror` in a directory with a `mirrors.yaml`."""

    directory: Path
    gitea: str
    github: str
    credentials: Path

    @property
    def environment(self) -> dict[str, str]:
        tokens = self.directory / "tokens"
        tokens.mkdir(exist_ok=True)
        return {
            **os.environ,
            "RAIBID_GITEA_URL": self.gitea,
            "RAIBID_GITHUB_URL": self.github,
            "RAIBID_FORGE_CREDENTIALS_FILE": str(self.credentials),
            "RAIBID_MIRROR_TOKENS_DIR": str(tokens),
            "NO_COLOR": "1",
            "RAIBID_MIRRORS_FILE": "",
        }

    def write(self, text: str) -> None:
        (self.directory / "mirrors.yaml").write_text(text)

    def read(self) -> str:
        return (self.directory / "mirrors.yaml").read_text()

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "raibid.cli", "mirror", *arguments],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def plan(self, *arguments: str) -> dict[str, Any]:
        """The plan as values."""
        code, out, err = self.run("plan", "--json", *arguments)
        assert code == 0, err
        answer: dict[str, Any] = json.loads(out)
        return answer
