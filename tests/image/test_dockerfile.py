"""agent/Dockerfile, read as a builder reads it: stages, bases, users, and no name it does not pin."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from components import agent_pod
from components.image.context import build_context
from components.versions import BUILD, CRATES

ROOT = Path(__file__).parents[2]
TARGETS = ("agent", "api")


@dataclass
class Stage:
    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, *names: str) -> list[str]:
        return [rest for name, rest in self.instructions if name in names]


def parse(text: str) -> dict[str, Stage]:
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    stages: dict[str, Stage] = {}
    current: Stage | None = None
    for line in re.sub(r"\\\n\s*", " ", lines).splitlines():
        name, _, rest = line.strip().partition(" ")
        if name == "FROM":
            base, _, alias = rest.partition(" AS ")
            current = stages[alias] = Stage(alias, base)
        elif name:
            assert current is not None
            current.instructions.append((name, rest))
    return stages


STAGES = parse((ROOT / "agent" / "Dockerfile").read_text())
EVERYTHING = [(stage.name, name, rest) for stage in STAGES.values() for name, rest in stage.instructions]


def copied(stage: Stage) -> list[tuple[str, list[str]]]:
    """Each COPY as (stage it copies from, or "" for the context; sources)."""
    answer = []
    for rest in stage.all("COPY", "ADD"):
        words = shlex.split(rest)
        origin = next((word.removeprefix("--from=") for word in words if word.startswith("--from=")), "")
        answer.append((origin, [word for word in words if not word.startswith("--")][:-1]))
    return answer


def test_both_targets_are_there() -> None:
    assert set(TARGETS) <= set(STAGES)


def test_every_base_is_an_exact_version_of_versions_py() -> None:
    bases = {stage.base for stage in STAGES.values()} - set(STAGES)
    assert bases == {pin.reference for pin in BUILD.values()}


def test_nothing_is_latest() -> None:
    assert ":latest" not in (ROOT / "agent" / "Dockerfile").read_text()


@pytest.mark.parametrize("crate", CRATES)
def test_every_crate_is_compiled_at_the_version_of_versions_py_with_its_own_lock(crate: str) -> None:
    (install,) = [run for run in STAGES["tools"].all("RUN") if run.endswith(f" {crate}")]
    assert f"--version {CRATES[crate].version} " in install
    assert " --locked " in install


def test_uv_is_the_one_that_the_makefile_installs() -> None:
    assert f"uv=={BUILD['uv'].version} " in (ROOT / ".ci" / "uv.txt").read_text()


@pytest.mark.parametrize("target", TARGETS)
def test_it_runs_as_a_numbered_user_that_is_not_root(target: str) -> None:
    (user,) = STAGES[target].all("USER")
    uid, gid = map(int, user.split(":"))
    assert uid >= 10_000
    assert gid >= 10_000


@pytest.mark.parametrize("target", TARGETS)
def test_it_has_a_health_check_an_entrypoint_and_a_working_directory(target: str) -> None:
    stage = STAGES[target]
    (health,) = stage.all("HEALTHCHECK")
    assert json.loads(health.partition("CMD ")[2])
    assert json.loads(stage.all("ENTRYPOINT")[0]) == ["raibid"]
    assert json.loads(stage.all("CMD")[0])[0] == target
    assert stage.all("WORKDIR")


def test_no_secret_and_no_argument_passes_through_the_build() -> None:
    assert not [(stage, name) for stage, name, _ in EVERYTHING if name == "ARG"]
    assert not re.search(r"--mount=type=(secret|ssh)|PASSWORD|TOKEN=|CREDENTIAL", str(EVERYTHING))


def test_no_script_is_fetched_and_piped_into_a_shell() -> None:
    assert not [rest for _, name, rest in EVERYTHING if name == "ADD" and "://" in rest]
    assert not [
        rest for _, name, rest in EVERYTHING if name == "RUN" and re.search(r"\b(curl|wget)\b|\|\s*(ba)?sh", rest)
    ]


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_every_source_of_a_copy_exists(stage: Stage) -> None:
    files = build_context(ROOT).files
    for origin, sources in copied(stage):
        if origin:
            assert origin in STAGES
            continue
        for source in sources:
            assert source in files or any(path.startswith(f"{source}/") for path in files), source


def test_every_file_of_the_context_is_copied_by_some_stage() -> None:
    sources = {source for stage in STAGES.values() for origin, names in copied(stage) if not origin for source in names}
    unused = {
        path for path in build_context(ROOT).files if not any(path == s or path.startswith(f"{s}/") for s in sources)
    }
    assert unused == {"agent/Dockerfile"}


def test_the_packages_come_from_the_lock_and_nothing_else() -> None:
    installs = [rest for _, name, rest in EVERYTHING if name == "RUN" and re.search(r"\b(uv|pip)\b", rest)]
    assert installs
    assert all("--frozen" in rest and "--no-install-workspace" in rest for rest in installs)


def test_the_api_image_has_no_compiler() -> None:
    assert STAGES["api"].base == BUILD["debian"].reference
    assert not re.search(r"gcc|cargo|build-essential", " ".join(STAGES["api"].all("RUN", "COPY")))


def test_the_api_image_has_the_git_that_keeps_mirrors() -> None:
    (installs,) = [rest for rest in STAGES["api"].all("RUN") if "apt-get install" in rest]
    assert "git" in installs.partition("apt-get install")[2].partition("&&")[0].split()


def test_the_agent_image_has_what_the_default_pipeline_calls() -> None:
    everything = " ".join(rest for _, rest in STAGES["agent"].instructions)
    assert STAGES["agent"].base == BUILD["rust"].reference
    for tool in ("clippy", "git", "/opt/tools/bin/", "buildctl"):
        assert tool in everything


def test_python_of_the_image_is_one_that_the_package_supports() -> None:
    project = tomllib.loads((ROOT / "agent" / "pyproject.toml").read_text())["project"]
    (version,) = set(re.findall(r"lib/python(3\.\d+)/site-packages", str(EVERYTHING)))
    assert project["requires-python"] == f">={version}"


def test_the_pods_are_who_the_images_are() -> None:
    for target in TARGETS:
        assert STAGES[target].all("USER") == [f"{agent_pod.USER}:{agent_pod.USER}"]
    agent = agent_pod.job_spec()
    assert f"'mountPath': '{STAGES['agent'].all('WORKDIR')[0]}'" in str(agent)
