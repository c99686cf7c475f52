"""How the commands of the cluster tests end, whatever goes wrong under them."""

from __future__ import annotations

import ast
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.command import exit_code, own_directory
from tests.cluster.errors import ClusterError
from tests.cluster.node.base_images import ImageBuildError
from tests.cluster.node.containerd import CtrError
from tests.cluster.node.network import NetworkError
from tests.cluster.parts.control_plane import KubectlError
from tests.cluster.parts.process import PartError
from tests.cluster.tools.toolchain import ToolMissingError

CLUSTER = Path(__file__).parents[1] / "cluster"


@pytest.fixture(autouse=True)
def _sigterm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("kind", [CtrError, ImageBuildError, KubectlError, NetworkError, PartError, ToolMissingError])
def test_what_fails_in_a_cluster_is_a_sentence_and_exit_code_2(
    kind: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> int:
        raise kind("it is broken")

    assert exit_code("demo", fails) == 2
    assert capsys.readouterr().err == "demo: it is broken\n"


def test_sigterm_ends_a_command_as_an_interrupt_does(capsys: pytest.CaptureFixture[str]) -> None:
    def waits() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
        return 0

    assert exit_code("demo", waits) == 130
    assert "nothing is left running" in capsys.readouterr().err


def test_a_mistake_of_our_own_keeps_its_traceback() -> None:
    def wrong() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        exit_code("demo", wrong)


def test_a_directory_goes_with_its_run_and_that_of_a_killed_run_with_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "raibid-demo-killed").mkdir()
    (tmp_path / "raibid-demo-killed" / "running").touch()  # a lock that nobody holds any more
    (tmp_path / "raibid-demo-of-another-kind").mkdir()
    with own_directory("demo") as first, own_directory("demo") as second:
        assert set(tmp_path.iterdir()) == {first, second, tmp_path / "raibid-demo-of-another-kind"}
    assert [path.name for path in tmp_path.iterdir()] == ["raibid-demo-of-another-kind"]


def test_every_error_of_the_cluster_tests_has_one_root() -> None:
    classes = [
        node
        for path in CLUSTER.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and node.name.endswith("Error") and node.name != ClusterError.__name__
    ]
    assert classes
    assert [node.name for node in classes if [ast.unparse(base) for base in node.bases] != ["ClusterError"]] == []
