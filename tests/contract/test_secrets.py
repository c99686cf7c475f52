"""Every Secret of the tree can be read by two keys, and by nobody without one."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from pyrage import x25519

from components.kustomize.applied import applied
from components.kustomize.build import documents
from components.secret_values import deriver
from components.sops import LostKeyError, decrypt, encrypt
from policies.rule import Bounds
from policies.tree import findings
from tests.contract.cluster import Cluster

SEED = "a-seed-of-these-tests-and-of-nothing-else-0123456789"
DERIVED = re.compile(r"[0-9a-f]{64}")
"""A derived password, or a digest of one; a user's name is no secret."""
NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture(scope="module")
def keys() -> list[x25519.Identity]:
    return [x25519.Identity.generate(), x25519.Identity.generate()]


def test_every_secret_is_encrypted_for_both_recipients_and_comes_back_as_it_was(
    cluster: Cluster, keys: list[x25519.Identity]
) -> None:
    derive = deriver(SEED, {})
    recipients = [str(key.to_public()) for key in keys]
    for path, secret in cluster.emission.secrets.items():
        plain = secret.manifest(derive)
        data = encrypt(plain, recipients, now=NOW)
        for key in keys:
            assert decrypt(data, str(key)) == plain, path
        with pytest.raises(LostKeyError):
            decrypt(data, str(x25519.Identity.generate()))


def test_the_whole_tree_with_real_ciphertext_holds_no_value_in_clear_and_breaks_no_rule(
    cluster: Cluster, keys: list[x25519.Identity]
) -> None:
    derive = deriver(SEED, {})
    recipients = [str(key.to_public()) for key in keys]
    plain = {path: secret.manifest(derive) for path, secret in cluster.emission.secrets.items()}
    sealed = {path: encrypt(manifest, recipients, now=NOW) for path, manifest in plain.items()}
    files = {**cluster.emission.files, **cluster.emission.seeds, **sealed}
    values = {line for manifest in plain.values() for text in manifest["stringData"].values() for line in text.split()}
    secret_values = {value for value in values if DERIVED.search(value)}
    assert secret_values
    for path, data in files.items():
        assert not [value for value in secret_values if value.encode() in data], path
    objects = applied(files, cluster.settings.environment)
    assert findings(((item.path, item.manifest) for item in objects), Bounds()) == []
    for path, data in sealed.items():
        (manifest,) = documents(path, data)
        assert manifest["metadata"] == plain[path]["metadata"]
