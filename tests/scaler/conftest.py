"""Fixture of the local scaler's tests: whatever a test leaves running is ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.scaler.pool import Pool


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    for scaler in pool.scalers:
        for pid in scaler.pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        scaler.shutdown()
