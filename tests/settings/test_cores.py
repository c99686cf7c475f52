"""Linux cpu lists, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cores import MOST_CORES, cpu_list, cpu_numbers


@given(st.sets(st.integers(min_value=0, max_value=MOST_CORES - 1), max_size=64))
def test_a_list_survives_being_written(numbers: set[int]) -> None:
    assert cpu_numbers(cpu_list(numbers)) == tuple(sorted(numbers))


def test_runs_are_written_short() -> None:
    assert cpu_list((0, 1, 2, 5, 19, 18)) == "0-2,5,18-19"


@pytest.mark.parametrize("text", ["a", "1-", "-1", "1..2", "1,,2", "0-99999", "3-1", "1,1-2", "4096", " 1"])
def test_what_is_no_list_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="; "):
        cpu_numbers(text)
