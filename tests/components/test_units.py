"""Quantities: Kubernetes' spellings as whole numbers and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.units import cores_text, millicores, size, size_text


@pytest.mark.parametrize(("text", "value"), [(2, 2000), ("1.5", 1500), ("1500m", 1500), (0.25, 250), ("0", 0)])
def test_cores_read_as_millicores(text: object, value: int) -> None:
    assert millicores(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("16Gi", 16 << 30), ("512Mi", 512 << 20), ("100G", 10**11), (1024, 1024), ("1.5Gi", 3 << 29)]
)
def test_sizes_read_as_bytes(text: object, value: int) -> None:
    assert size(text) == value


@pytest.mark.parametrize("text", ["", "-1", "two", "1.0001", "1Gi", True, None])
def test_what_is_no_quantity_of_cores_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"quantity of cores|finer than"):
        millicores(text)


@pytest.mark.parametrize("text", ["", "-1Gi", "16 Gi", "16gb", "Gi", True, None])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        size(text)


@given(st.integers(min_value=0, max_value=10**7))
def test_cores_survive_being_written(value: int) -> None:
    assert millicores(cores_text(value)) == value


@given(st.integers(min_value=0, max_value=1 << 50))
def test_sizes_survive_being_written(value: int) -> None:
    assert size(size_text(value)) == value
