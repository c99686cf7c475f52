"""AgentImage in the graph: what makes it build again, what it promises before and after it was built."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks
from pulumi.runtime.rpc import UNKNOWN

from components.agent_image import AgentImage, AgentImageArgs, message, order, pinned
from components.image.build import Order
from components.image.context import Context
from components.settings import Settings, load_stack

pytestmark = pytest.mark.usefixtures("event_loop")

DIGEST = f"sha256:{'a' * 64}"
CONTEXT = Context({"agent/Dockerfile": b"FROM scratch\n", "uv.lock": b""})


class Engine(Mocks):
    """Answers as `python -m components image` would; keeps what it was asked."""

    def __init__(self, stdout: object) -> None:
        self.stdout = stdout
        self.asked: dict[str, dict[str, Any]] = {}

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.asked[args.typ] = args.inputs
        stdout = {"stdout": self.stdout} if args.typ == "command:local:Command" else {}
        return f"{args.name}-id", {**args.inputs, **stdout}

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        raise AssertionError(f"no call expected: {args.token}")


def built(settings: Settings, stdout: object, *, preview: bool = False) -> tuple[Engine, dict[str, Any]]:
    """The component, run by mocks; its outputs by name, None where they are unknown."""
    engine = Engine(stdout)
    pulumi.runtime.mocks.set_mocks(engine, preview=preview)
    seen: dict[str, Any] = {}

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> Any:
        image = AgentImage("image", AgentImageArgs(settings=settings, context=CONTEXT, program="python"))
        outputs = {"agent": image.agent, "api": image.api}
        return pulumi.Output.all(**outputs).apply(seen.update)

    run()
    return engine, seen


def answer(**images: str) -> str:
    refs = {name: {"ref": f"r/{name}:1@{digest}", "digest": digest} for name, digest in images.items()}
    return json.dumps({"images": refs, "message": "built by buildah"})


SETTINGS = load_stack("dgx-spark")


def test_what_was_built_is_what_it_says() -> None:
    _, outputs = built(SETTINGS, answer(agent=DIGEST, api=DIGEST))
    assert outputs == {"agent": f"r/agent:1@{DIGEST}", "api": f"r/api:1@{DIGEST}"}


def test_without_a_builder_it_says_what_stack_config_pins() -> None:
    _, outputs = built(SETTINGS, json.dumps({"images": {}, "message": "no builder here"}))
    assert outputs["agent"] == pinned(SETTINGS, "agent")


def test_in_a_first_preview_the_references_are_unknown_and_nothing_is_parsed() -> None:
    _, outputs = built(SETTINGS, UNKNOWN, preview=True)
    assert outputs == {}


def test_the_component_shows_the_context_and_the_digest_of_every_file_of_it() -> None:
    engine, _ = built(SETTINGS, answer(agent=DIGEST, api=DIGEST))
    shown = engine.asked["raibid:components:AgentImage"]
    assert shown["context"] == CONTEXT.hash
    assert set(shown["files"]) == set(CONTEXT.files)


def test_the_command_is_updated_never_replaced_and_carries_its_order_on_stdin() -> None:
    engine, _ = built(SETTINGS, answer(agent=DIGEST, api=DIGEST))
    command = engine.asked["command:local:Command"]
    assert "triggers" not in command
    assert "delete" not in command
    assert command["create"] == "python -m components image --json"
    assert Order.read(command["stdin"]).context == CONTEXT.hash


def test_another_context_is_another_order() -> None:
    one, other = (
        order(AgentImageArgs(settings=SETTINGS, context=context), "out")
        for context in (CONTEXT, Context({"agent/Dockerfile": b"FROM other\n"}))
    )
    assert one != other


def test_pinning_a_digest_does_not_build_again() -> None:
    agent = SETTINGS.images.agent.model_copy(update={"digest": DIGEST})
    later = SETTINGS.model_copy(update={"images": SETTINGS.images.model_copy(update={"agent": agent})})
    one, other = (order(AgentImageArgs(settings=s, context=CONTEXT), "out") for s in (SETTINGS, later))
    assert one == other
    assert pinned(later, "agent").endswith(f"@{DIGEST}")


def test_the_message_ends_when_the_digest_is_pinned() -> None:
    result = json.loads(answer(agent=DIGEST))
    agent = SETTINGS.images.agent.model_copy(update={"digest": DIGEST})
    later = SETTINGS.model_copy(update={"images": SETTINGS.images.model_copy(update={"agent": agent})})
    assert (
        message(SETTINGS, result)
        == f"built by buildah; to use it, pin it: pulumi config set --path images.agent.digest {DIGEST}"
    )
    assert message(later, result) == "built by buildah"
