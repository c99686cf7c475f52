"""Every command of the documentation runs, or says what it needs.

A block of commands is fenced as `sh` or `console`, or is unmarked text whose first line begins like a command. It runs
here, page by page, line by line, in a directory of its own; unless `<!-- needs: … -->` stands above the block, or
`# needs …` or a like remark at the end of the line.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from components.settings import Profile, load_stack
from components.systems import budget_of

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "decisions").glob("*.md")])
NEEDS = {"machine", "pulumi", "cluster"}
"""What a block may ask for that a test has not got."""
ELSEWHERE = {
    "make up": "tests/local, and .ci/run",
    "make test": ".ci/run",
    "make preview": "tests/components",
    "python -m tests.chaos": "tests/chaos",
}
"""Commands that other tests run, by how they begin."""
TESTED_BY_ITSELF = {"secrets.md": "tests/fleet/test_secrets_doc.py"}
"""Pages whose commands have a test of their own, which plays a whole rotation."""
RUN = re.compile(
    r"(echo .* \| )?python -m components (budget|graph|image|lint|plan|render) .*|raibid (lint|version)\b.*"
)
"""What may be run here: it changes nothing but the directory that it is run in."""
_PROGRAMS = ("make", "python", "raibid", "pulumi", "kubectl", "git", "sops", "sudo", "docker", "curl", "echo", "ssh")
_BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"<!-- needs: ([a-z, ]+) -->\s*$")
_REMARK = re.compile(r"\s+#\s.*$")


@dataclass(frozen=True)
class Command:
    page: Path
    text: str
    needs: str


def commands(page: Path) -> Iterator[Command]:
    text = page.read_text()
    for block in _BLOCK.finditer(text):
        body = re.sub(r"\\\n\s*", "", block["body"])
        lines = [line.strip() for line in body.splitlines() if line.strip()]
        if block["language"] not in ("sh", "console", "") or not lines:
            continue
        if not block["language"] and lines[0].split()[0] not in _PROGRAMS:
            continue
        mark = _MARK.search(text[: block.start()])
        for line in lines:
            if not line.startswith("#"):
                remark = _REMARK.search(line)
                needs = mark[1] if mark else "machine" if remark and "needs" in remark[0] else ""
                yield Command(page, _REMARK.sub("", line.removeprefix("$ ")), needs)


EVERY = [command for page in PAGES for command in commands(page)]


def run_elsewhere(command: Command) -> bool:
    return any(command.text == start or command.text.startswith(f"{start} ") for start in ELSEWHERE)


def to_run(page: Path) -> list[str]:
    if page.name in TESTED_BY_ITSELF:
        return []
    return [c.text for c in EVERY if c.page == page and not c.needs and not run_elsewhere(c)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_page_is_run_by_a_test_or_says_what_it_needs(page: Path) -> None:
    assert not [text for text in to_run(page) if not RUN.fullmatch(text)]


def test_a_page_that_is_left_out_here_has_its_test() -> None:
    assert all((ROOT / test).is_file() for test in TESTED_BY_ITSELF.values())


def test_there_are_commands_to_run() -> None:
    assert sum(len(to_run(page)) for page in PAGES) >= 8


@pytest.mark.parametrize("page", [page for page in PAGES if to_run(page)], ids=lambda page: page.stem)
def test_the_commands_of_a_page_run(page: Path, tmp_path: Path) -> None:
    python = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{python}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "agent")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_COLOR": "1",
    }
    for command in filter(RUN.fullmatch, to_run(page)):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_what_a_block_needs_is_one_of_the_known() -> None:
    asked = {need.strip() for command in EVERY for need in command.needs.split(",") if need.strip()}
    assert asked <= NEEDS


def test_every_subcommand_that_is_named_anywhere_exists() -> None:
    from raibid.cli.main import COMMANDS as RAIBID

    from components.__main__ import COMMANDS as COMPONENTS

    text = "\n".join(page.read_text() for page in PAGES)
    assert set(re.findall(r"python -m components ([a-z][a-z-]*)", text)) <= {name for _, name, _, _ in COMPONENTS}
    called = {c.text.split()[1] for c in EVERY if c.text.startswith("raibid ")}
    assert called <= {name for _, name, _, _ in RAIBID}


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {c.text.split()[1] for c in EVERY if c.text.startswith("make ")} <= targets


def links(page: Path) -> Iterator[str]:
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_the_profiles_that_are_compared_are_what_the_budget_says() -> None:
    settings = load_stack("dgx-spark")
    text = (ROOT / "docs" / "scaling-profiles.md").read_text()
    for profile in get_args(Profile):
        agents = budget_of(settings.model_copy(update={"profile": profile})).agents
        (row,) = re.findall(rf"^\| {profile} \|.*$", text, re.MULTILINE)
        warm = f" + {agents.warm} warm" if agents.warm else ""
        assert row.split("|")[3].strip() == f"{agents.maximum}{warm}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, todo = set[Path](), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page not in seen and page.suffix == ".md":
            seen.add(page)
            todo += [(page.parent / target.partition("#")[0]).resolve() for target in links(page)]
    pages = {page for page in PAGES if page.parent.name != "decisions"}
    assert pages <= seen
