"""Builders, played by one script on PATH: how each is called, how its digest comes back, what a failure says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.image.build import ImageError, advice, find_builder, read_digest
from components.image.context import EPOCH, build_context
from components.settings import Image

ROOT = Path(__file__).parents[2]
FAKE = Path(__file__).parent / "fixtures" / "builder"
CONTEXT = build_context(ROOT)
PROGRAMS = {"buildx": "docker", "buildctl": "buildctl", "buildah": "buildah", "podman": "podman"}


class Machine:
    """A PATH with nothing on it but the builders that a test puts there."""

    def __init__(self, directory: Path) -> None:
        self.bin, self.record, self.out = directory / "bin", directory / "record", directory / "out"
        self.bin.mkdir()
        for tool in ("bash", "env", "basename", "sed", "sha256sum", "cut", "seq"):
            (self.bin / tool).symlink_to(shutil.which(tool) or "")
        self.environment = {"PATH": str(self.bin), "RECORD": str(self.record), "HOME": str(directory)}

    def install(self, *builders: str) -> None:
        for builder in builders:
            # Not a copy: while another thread of this process forks, a file that was just written is "text file busy".
            (self.bin / PROGRAMS[builder]).symlink_to(FAKE)

    def run(self, order: dict[str, Any], **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "components", "image", "--json"],
            input=json.dumps({"out": str(self.out), **order}),
            env={**self.environment, **environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[list[str]]:
        """How the builders were called; scratch directories and this machine's paths by name."""
        if not self.record.exists():
            return []
        calls = [line.split("\t") for line in self.record.read_text().splitlines()]
        context = next(
            (word.removeprefix("context=") for call in calls for word in call if "raibid-image-" in word), "absent"
        ).partition("/agent")[0]
        return [[word.replace(context, "CONTEXT").replace(str(self.out), "OUT") for word in call] for call in calls]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def order(**changes: Any) -> dict[str, Any]:
    image = {"repository": "registry.test/ci/agent", "tag": "0.1.0"}
    return {"context": CONTEXT.hash, "images": {"agent": image}, "platforms": ["linux/arm64", "linux/amd64"], **changes}


REF = "registry.test/ci/agent:0.1.0"
PUSHED = f'type=image,"name={REF}",push=true,rewrite-timestamp=true'
WANTED = {
    "buildx": [
        "docker buildx inspect --bootstrap",
        "docker buildx build --file CONTEXT/agent/Dockerfile --target agent --platform linux/arm64,linux/amd64 "
        f"--provenance=false --output {PUSHED} --metadata-file OUT/agent.digest CONTEXT",
    ],
    "buildctl": [
        "buildctl debug workers",
        "buildctl build --frontend dockerfile.v0 --local context=CONTEXT --local dockerfile=CONTEXT/agent "
        "--opt target=agent --opt platform=linux/arm64,linux/amd64 "
        f"--opt build-arg:SOURCE_DATE_EPOCH={EPOCH} --output {PUSHED} --metadata-file OUT/agent.digest",
    ],
    **{
        builder: [
            f"{builder} --version",
            f"{builder} manifest rm {REF}",
            f"{builder} build --file CONTEXT/agent/Dockerfile --format docker --target agent "
            f"--platform linux/arm64,linux/amd64 --timestamp {EPOCH} --manifest {REF} CONTEXT",
            f"{builder} manifest push --all --digestfile OUT/agent.digest {REF} docker://{REF}",
        ]
        for builder in ("buildah", "podman")
    },
}


@pytest.mark.parametrize("builder", WANTED)
def test_a_builder_is_called_exactly_so_and_its_digest_comes_back(machine: Machine, builder: str) -> None:
    machine.install(builder)
    done = machine.run(order())
    assert done.returncode == 0, done.stderr
    assert [" ".join(call) for call in machine.calls()] == WANTED[builder]
    answer = json.loads(done.stdout)
    digest = answer["images"]["agent"]["digest"]
    assert answer["builder"] == builder
    assert answer["images"]["agent"]["ref"] == f"{REF}@{digest}"
    assert digest.startswith("sha256:")


@pytest.mark.parametrize("builder", WANTED)
def test_without_push_the_image_becomes_an_archive_and_no_registry_is_named(machine: Machine, builder: str) -> None:
    machine.install(builder)
    assert machine.run(order(push=False)).returncode == 0
    words = " ".join(word for call in machine.calls() for word in call)
    assert "OUT/agent.oci.tar" in words
    assert "push=true" not in words
    assert "docker://" not in words


def test_of_several_builders_the_first_that_works_is_taken(machine: Machine) -> None:
    machine.install("buildah", "podman")
    (machine.bin / "docker").write_text("#!/usr/bin/env bash\nexit 1\n")  # a client without buildx
    (machine.bin / "docker").chmod(0o755)
    assert json.loads(machine.run(order()).stdout)["builder"] == "buildah"


def test_the_default_driver_of_a_stock_docker_is_none(machine: Machine) -> None:
    machine.install("buildx", "buildah")
    assert json.loads(machine.run(order(), DRIVER="docker").stdout)["builder"] == "buildah"


def test_the_default_driver_on_containerds_image_store_is_one(machine: Machine) -> None:
    machine.install("buildx", "buildah")
    done = machine.run(order(), DRIVER="docker", STORE="io.containerd.snapshotter.v1")
    assert json.loads(done.stdout)["builder"] == "buildx"


def test_a_wanted_buildx_that_cannot_says_how_to_make_one_that_can(machine: Machine) -> None:
    machine.install("buildx")
    done = machine.run(order(builder="buildx"), DRIVER="docker")
    assert done.returncode == 1
    assert "docker buildx create --driver docker-container" in done.stderr
    page = (ROOT / "docs" / "image.md").read_text()
    assert all(part in page for part in ("--driver docker-container", "http = true", "binfmt --install"))


def test_the_builder_of_stack_config_wins(machine: Machine) -> None:
    machine.install(*PROGRAMS)
    assert json.loads(machine.run(order(builder="podman")).stdout)["builder"] == "podman"


def test_without_a_builder_the_context_is_the_output_and_the_message_says_so(machine: Machine) -> None:
    answer = json.loads(machine.run(order()).stdout)
    assert answer["builder"] is None
    assert answer["images"] == {}
    assert "no builder here" in answer["message"]
    assert (machine.out / "context.tar").read_bytes() == CONTEXT.tar()


def test_builder_none_builds_nothing_even_where_one_is(machine: Machine) -> None:
    machine.install(*PROGRAMS)
    answer = json.loads(machine.run(order(builder="none")).stdout)
    assert answer["builder"] is None
    assert machine.calls() == []


def test_a_wanted_builder_that_is_missing_is_an_error(machine: Machine) -> None:
    done = machine.run(order(builder="buildah"))
    assert done.returncode == 1
    assert "images.builder is buildah" in done.stderr


@pytest.mark.parametrize("builder", WANTED)
def test_a_failing_builder_ends_in_its_last_lines(machine: Machine, builder: str) -> None:
    machine.install(builder)
    done = machine.run(order(), FAIL="1")
    _, _, told = done.stderr.partition("components: ")
    assert done.returncode == 1
    assert "ended with 3" in told
    assert "no space left on device" in told
    assert "step 1\n" not in told
    assert done.stdout == ""


def test_metadata_without_a_digest_is_no_success(machine: Machine) -> None:
    machine.install("buildx")
    done = machine.run(order(), DIGEST="")
    assert done.returncode == 1
    assert "no digest" in done.stderr


def test_a_checkout_that_changed_since_the_preview_is_refused(machine: Machine) -> None:
    machine.install("buildx")
    done = machine.run(order(context="0" * 64))
    assert done.returncode == 1
    assert "preview again" in done.stderr
    assert machine.calls() == []


@pytest.mark.parametrize(
    "text", ["", "{}", '{"context": 1}', '{"context": "x", "images": {}, "platforms": [], "token": "t"}']
)
def test_an_order_that_is_none_is_refused_without_repeating_it(machine: Machine, text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "components", "image"], input=text, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "agent_image.py" in done.stderr


def test_credentials_of_the_registry_reach_no_command_line(machine: Machine) -> None:
    machine.install(*PROGRAMS)
    credentials = Path(machine.environment["HOME"]) / ".docker" / "config.json"
    credentials.parent.mkdir()
    credentials.write_text(json.dumps({"auths": {"registry.test": {"auth": "c2VudGluZWw6c2VudGluZWw="}}}))
    for builder in PROGRAMS:
        done = machine.run(order(builder=builder), REGISTRY_PASSWORD="sentinel")
        assert "sentinel" not in done.stdout + done.stderr + machine.record.read_text()


def test_a_builder_that_stays_silent_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_builder("auto") is None
    with pytest.raises(ImageError, match="buildctl debug workers"):
        find_builder("buildctl")


def test_advice_names_only_digests_that_are_not_pinned() -> None:
    new, old = f"sha256:{'1' * 64}", f"sha256:{'0' * 64}"
    images = {
        "agent": Image(repository="registry.test/ci/a", digest=old),
        "api": Image(repository="registry.test/ci/b", digest=new),
    }
    assert advice(images, {"agent": new, "api": new}).endswith(f"images.agent.digest {new}")
    assert advice(images, {"agent": old, "api": new}) == ""


def test_a_digest_is_read_from_both_shapes() -> None:
    digest = f"sha256:{'a' * 64}"
    assert read_digest(f'{{"containerimage.digest": "{digest}"}}') == digest
    assert read_digest(f"{digest}\n") == digest


def test_this_machines_environment_is_left_as_it_is() -> None:
    assert "SOURCE_DATE_EPOCH" not in os.environ
