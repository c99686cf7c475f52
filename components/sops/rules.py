"""`.sops.yaml`: for whom the `sops` program encrypts a file that somebody writes by hand.

Owns: the file at the repository's root, reading it back for `rotate`.
Leaves to others: encryption itself (`document`).
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from components.manifest_tree import Tree, to_yaml
from components.settings import Settings
from components.sops.document import ENCRYPTED
from components.sops.errors import RecipientError

PATH: Final = ".sops.yaml"


def tree(settings: Settings) -> Tree:
    """`.sops.yaml`, when there are recipients; it names no environment, for environments share a repository's root."""
    keys = settings.recipients
    if keys is None:
        return Tree("sops")
    rule = {
        "path_regex": r"\.enc\.ya?ml$",
        "encrypted_regex": ENCRYPTED,
        "mac_only_encrypted": True,
        "age": ",".join((keys.cluster, keys.recovery)),
    }
    return Tree(
        "sops",
        files={PATH: to_yaml({"creation_rules": [rule], "stores": {"yaml": {"indent": 2}}}).decode()},
    )


def recipients_by_rule(text: str, path: str) -> list[str]:
    """Whom `.sops.yaml` names for a file: the first rule whose `path_regex` fits.

    Raises:
        RecipientError: no rule fits, or the file is no such list of rules.
    """
    try:
        rules: list[dict[str, Any]] = yaml.safe_load(text)["creation_rules"]
        fitting = next((rule for rule in rules if re.search(rule.get("path_regex", ""), path)), None)
    except (yaml.YAMLError, TypeError, KeyError, AttributeError, re.error) as error:
        raise RecipientError(f"{PATH}: no list of creation_rules; say --recipient for each of them") from error
    if fitting is None or not fitting.get("age"):
        raise RecipientError(f"{PATH}: no rule with age recipients fits {path}; say --recipient for each of them")
    age = fitting["age"]
    return [name.strip() for name in (age.split(",") if isinstance(age, str) else age)]
