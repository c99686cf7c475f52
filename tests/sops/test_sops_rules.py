from __future__ import annotations

import pytest
import yaml

from components import sops
from components.settings import Settings, load_stack


@pytest.fixture
def settings(recipients: tuple[str, ...]) -> Settings:
    plain = load_stack("local").model_dump(by_alias=True)
    return Settings.model_validate({**plain, "recipients": {"cluster": recipients[0], "recovery": recipients[1]}})


def test_the_rules_name_both_recipients_and_no_environment(settings: Settings, recipients: tuple[str, ...]) -> None:
    text = sops.tree(settings).files[".sops.yaml"]
    (rule,) = yaml.safe_load(text)["creation_rules"]
    assert rule["age"].split(",") == list(recipients)
    assert settings.environment not in text


def test_without_recipients_there_are_no_rules(settings: Settings) -> None:
    assert not sops.tree(settings.model_copy(update={"recipients": None})).files


def test_the_first_rule_that_fits_says_whom_a_file_is_for(settings: Settings, recipients: tuple[str, ...]) -> None:
    text = sops.tree(settings).files[".sops.yaml"]
    assert sops.recipients_by_rule(text, "infrastructure/data/redis/secret.enc.yaml") == list(recipients)
    with pytest.raises(sops.RecipientError, match=r"no rule with age recipients fits README\.md"):
        sops.recipients_by_rule(text, "README.md")


@pytest.mark.parametrize("text", ["", "creation_rules: 5", "[", "creation_rules: [{path_regex: '('}]"])
def test_a_file_that_is_no_list_of_rules_says_what_to_do(text: str) -> None:
    with pytest.raises(sops.RecipientError, match="--recipient"):
        sops.recipients_by_rule(text, "a.enc.yaml")
