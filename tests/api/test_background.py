"""What the API does by itself: no step waits for another's, nor a request for any of them."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from raibid.api import background
from raibid.api.background import Step


def test_every_step_has_a_thread_of_its_own_and_requests_have_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    hung = 40  # more than asyncio's own threads on most machines
    together = threading.Barrier(hung + 1)

    def hangs(_: Any) -> None:
        together.wait(60)

    steps = [Step(f"hangs {number}", hangs, until_it_works=True) for number in range(hung)]
    monkeypatch.setattr(background, "_steps", lambda _: steps)
    parts: Any = SimpleNamespace(settings=SimpleNamespace(tick_seconds=3600))

    async def serve() -> None:
        work = asyncio.create_task(background.run(parts))
        await asyncio.to_thread(together.wait, 60)  # a request
        await work

    asyncio.run(serve())


def test_a_step_in_progress_is_finished_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, finished = threading.Event(), threading.Event()

    def acts(_: Any) -> None:
        begun.set()
        assert closing.wait(60)
        finished.set()

    closing = threading.Event()
    monkeypatch.setattr(background, "_steps", lambda _: [Step("acts", acts)])
    parts: Any = SimpleNamespace(settings=SimpleNamespace(tick_seconds=3600))

    async def serve() -> None:
        work = asyncio.create_task(background.run(parts))
        await asyncio.to_thread(begun.wait, 60)
        closing.set()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert finished.is_set()

    asyncio.run(serve())
