"""What is allowed and still worth a word."""

from __future__ import annotations

import pytest

from components.settings import load_stack, notices

KEDA = "redis/raibid-keda"


@pytest.mark.parametrize(("scaler", "said"), [("direct", True), ("keda", False)])
def test_a_new_password_for_a_keda_that_is_not_installed_is_worth_a_word(scaler: str, said: bool) -> None:
    settings = load_stack("dev").model_copy(update={"scaler": scaler, "rotation": {KEDA: 1}})
    assert any(notice.startswith(f"rotation.{KEDA}: ") for notice in notices(settings)) is said
