"""What a deployment needs: all of it is told before anything is registered, and a preview goes on without it."""

from __future__ import annotations

import asyncio
from typing import Any

import pulumi
import pytest

from components import readiness
from components.readiness import NotReadyError
from components.settings import Settings, StackSecrets, load_stack

NOTHING = StackSecrets()


def paths(settings: Settings, secrets: StackSecrets) -> list[str]:
    return [line.partition(":")[0] for line in readiness.obstacles(settings, secrets)]


def with_url(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"fleet": settings.fleet.model_copy(update={"url": url})})


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda message, *_: found.append(message))
    return found


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        ("local", []),
        ("dev", ["seed", "ageKey", "recipients"]),
        ("dgx-spark", ["seed", "ageKey", "recipients", "nodes[0].hostKey"]),
    ],
)
def test_each_kind_of_cluster_names_all_that_it_lacks_at_once(stack: str, expected: list[str]) -> None:
    settings = load_stack(stack)
    settings = settings.model_copy(update={"recipients": None})
    assert paths(settings, NOTHING) == expected


def test_a_repository_elsewhere_needs_the_password_that_flux_fetches_with() -> None:
    elsewhere = with_url(load_stack("dev"), "https://git.example/o/fleet.git")
    assert "gitPassword" in paths(elsewhere, NOTHING)
    assert "gitPassword" not in paths(with_url(elsewhere, "/srv/git/fleet.git"), NOTHING)


def test_a_stack_that_has_everything_lacks_nothing(event_loop: asyncio.AbstractEventLoop) -> None:
    async def there() -> list[str]:
        value = pulumi.Output.secret("x")
        return paths(load_stack("dev"), StackSecrets(seed=value, age_key=value))

    assert event_loop.run_until_complete(there()) == ["recipients"]


def test_a_deployment_ends_with_everything_that_is_missing(monkeypatch: pytest.MonkeyPatch, warned: list[str]) -> None:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: False)
    with pytest.raises(NotReadyError) as refused:
        readiness.check(load_stack("dgx-spark"), NOTHING)
    assert str(refused.value).count("\n") == 3
    assert warned == []


def test_a_preview_goes_on_and_warns_of_each_thing_once(monkeypatch: pytest.MonkeyPatch, warned: list[str]) -> None:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    settings = load_stack("dgx-spark").model_copy(update={"domain": "dgx.local"})
    readiness.check(settings, NOTHING)
    told = [line.partition(":")[0] for line in warned]
    assert told == ["seed", "ageKey", "recipients", "nodes[0].hostKey", "domain"]


def test_the_program_asks_before_it_registers_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    from components.engine.plan import plan

    def refuse(*_: Any) -> None:
        raise NotReadyError("asked")

    monkeypatch.setattr(readiness, "check", refuse)
    monkeypatch.setattr("components.systems.budget_of", lambda *_: pytest.fail("too late"))
    with pytest.raises(NotReadyError, match="asked"):
        plan("dgx-spark")


def test_a_mistake_of_the_operator_reaches_the_engine_as_its_text_and_what_to_do() -> None:
    with pytest.raises(pulumi.RunError, match=r"seed: unset\nnext: docs/secrets\.md"), readiness.in_sentences():
        raise NotReadyError("seed: unset")


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), readiness.in_sentences():
        _ = 1 / 0
