"""Which programs the cluster tests use: pins that agree with what is deployed, PATH before cache, no silent absence."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from components.versions import CHARTS, KUBERNETES_MINOR
from tests.cluster.tools import toolchain
from tests.cluster.tools.toolchain import TOOLS, WRAPPERS, Tool, ToolMissingError, cached, pinned, tool


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Puts a program on PATH that says a version; the cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    toolchain.tool.cache_clear()

    def put(name: str, says: str) -> Path:
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\necho '{says}'\n")
        file.chmod(0o755)
        return file

    return put


def test_keda_is_the_version_that_is_deployed() -> None:
    assert pinned("keda") == ("github.com/kedacore/keda/v2", CHARTS["keda"].version)


def test_kubernetes_is_within_two_minors_of_the_one_that_is_deployed() -> None:
    # realparts.md pins what builds from modules today; clients and objects are promised to work two minors apart.
    minor = int(pinned("kubernetes")[1].split(".")[1])
    assert 0 <= int(KUBERNETES_MINOR.split(".")[1]) - minor <= 2


@pytest.mark.parametrize("wrapper", sorted({tool.wrapper for tool in TOOLS.values()}))
def test_a_wrapper_pins_its_modules_by_sum(wrapper: str) -> None:
    module, version = pinned(wrapper)
    sums = (WRAPPERS / wrapper / "go.sum").read_text()
    assert re.search(rf"^{re.escape(module)} v{re.escape(version)} h1:", sums, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "says"),
    [("kubectl", "Client Version: v{}"), ("sops", "sops {}"), ("kube-apiserver", "Kubernetes v{}"),
     ("gitea", "gitea version {} built with GNU Make 4.4.1, go1.26.2 : bindata")],
)  # fmt: skip
def test_a_program_on_path_in_the_pinned_version_is_used(
    program: Callable[[str, str], Path], name: str, says: str
) -> None:
    file = program(name, says.format(TOOLS[name].version))
    assert tool(name) == file


def test_another_version_on_path_is_not_used(program: Callable[[str, str], Path]) -> None:
    program("kubectl", "Client Version: v1.29.0")
    with pytest.raises(ToolMissingError, match="make cluster-tools"):
        tool("kubectl")


def test_a_program_that_cannot_say_its_version_comes_from_the_cache_alone(
    program: Callable[[str, str], Path],
) -> None:
    program("keda", TOOLS["keda"].version)
    built = cached(TOOLS["keda"])
    built.parent.mkdir(parents=True)
    built.touch()
    assert tool("keda") == built


def test_another_recipe_is_another_place_in_the_cache() -> None:
    gitea = TOOLS["gitea"]
    assert cached(gitea) != cached(Tool(gitea.name, gitea.wrapper, gitea.package, cgo=True))
