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
import yaml

from components import gitea
from components.k3s import TOKEN_LABEL
from components.secret_values import deriver
from components.settings import Profile, load_stack
from components.systems import budget_of, emission

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "decisions").glob("*.md")])
NEEDS = {"machine", "pulumi", "cluster"}
"""What a block may ask for that a test has not got."""
ELSEWHERE = {
    "make up": ("tests/docs/test_make.py", 'machine.make("up"'),
    "make test": (".ci/run", "\nmake test\n"),
    "make cluster-tools": (".ci/run", "\nmake cluster-tools\n"),
    "make test-cluster": (".ci/run", "exec make test-cluster"),
    "make preview": ("tests/docs/test_make.py", 'machine.make("preview"'),
    "python -m tests.chaos": ("tests/chaos/test_chaos.py", 'main(["--jobs"'),
}
"""Commands that are run elsewhere, by how they begin: the file, and how they stand in it."""
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


TEXT = "\n".join(page.read_text() for page in PAGES)
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


@pytest.mark.parametrize("start", ELSEWHERE)
def test_what_is_run_elsewhere_is_run_there(start: str) -> None:
    file, call = ELSEWHERE[start]
    assert call in (ROOT / file).read_text()
    assert any(run_elsewhere(c) and c.text.startswith(start) for c in EVERY), "no page has it any more"


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


def test_every_secret_that_a_page_reads_is_one_that_the_stack_makes() -> None:
    settings = load_stack("dgx-spark")
    made = {("infrastructure", gitea.SECRET, label.partition("/")[2]) for label in gitea.LABELS}
    for secret in emission(settings).secrets.values():
        made |= {(secret.namespace, secret.name, key) for key in secret.values(str)}
    read = re.findall(r"kubectl -n (\S+) get secret (\S+) -o jsonpath='\{\.data\.([\w-]+)\}'", TEXT)
    assert read
    assert set(read) <= made


def test_every_object_that_a_page_forwards_or_restarts_is_in_the_tree() -> None:
    there = {
        (item["kind"].lower(), item["metadata"].get("namespace"), item["metadata"]["name"])
        for path, data in emission(load_stack("dgx-spark")).files.items()
        if path.startswith("apps/base/") and (item := yaml.safe_load(data)).get("metadata")
    }
    named = re.findall(r"kubectl -n (\S+) (?:port-forward|rollout \w+) (service|deployment)/(\S+)", TEXT)
    assert {(kind, namespace, name) for namespace, kind, name in named} <= there
    assert {kind for _, kind, _ in named} == {"service", "deployment"}


def test_the_token_that_the_machines_page_prints_is_the_one_that_up_writes() -> None:
    (program,) = re.findall(r"python -c '(.*)' ", (ROOT / "docs" / "host.md").read_text())
    seed = "of-this-test-and-of-nothing-else-0123456789"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, input=f"{seed}\n", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == deriver(seed, {})(TOKEN_LABEL)


def test_every_page_that_calls_the_program_says_where_it_is() -> None:
    """A reader may begin anywhere, and the system's own python has none of the packages."""
    for page in PAGES:
        called = [c for c in EVERY if c.page == page and re.match(r"python -m components|raibid (?!up)", c.text)]
        if called and page.parent.name != "decisions":
            assert ".venv/bin/activate" in page.read_text(), page.name


def test_every_subcommand_that_is_named_anywhere_exists() -> None:
    from raibid.cli.main import COMMANDS as RAIBID

    from components.__main__ import COMMANDS as COMPONENTS

    text = "\n".join(page.read_text() for page in PAGES)
    assert set(re.findall(r"python -m components ([a-z][a-z-]*)", text)) <= {name for _, name, _, _ in COMPONENTS}
    called = {c.text.split()[1] for c in EVERY if c.text.startswith("raibid ")}
    assert called <= {name for _, name, _, _ in RAIBID}


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
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
