"""Every password of a stack, derived from one secret.

Owns: HKDF over seed, label and generation. One value to keep instead of a dozen, and a rebuilt machine gets the same
passwords; raising a label's generation in `rotation` changes that one value and no other.
Leaves to others: which labels there are (each system's file), where the seed is kept (a stack secret), where a value
ends up (`SecretManifest`, `sops`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from components.manifest_tree import Derive
from components.settings import Settings

if TYPE_CHECKING:
    from pulumi import Output

SHORTEST_SEED: Final = 32
_SALT: Final = b"raibid-ci/secret-values/1"


class SeedError(ValueError):
    """The stack's seed cannot carry secrets."""


def deriver(seed: str, rotation: Mapping[str, int]) -> Derive:
    """Label → its password: 64 hexadecimal digits, so that no shell, URL, flag or ACL file needs to quote it.

    Raises:
        SeedError: the seed is so short that it could be guessed; HKDF does not stretch.
    """
    if len(seed) < SHORTEST_SEED:
        raise SeedError(
            f"seed: {len(seed)} characters: at least {SHORTEST_SEED} of them, random: "
            'pulumi config set --secret seed "$(openssl rand -hex 32)"'
        )

    def derive(label: str) -> str:
        # The NUL keeps label and generation apart: no label can spell another one's generation.
        info = f"{label}\0{rotation.get(label, 0)}".encode()
        return HKDF(hashes.SHA256(), length=32, salt=_SALT, info=info).derive(seed.encode()).hex()

    return derive


def derived(seed: Output[str], settings: Settings, label: str) -> Output[str]:
    """One password as a secret output, for what Pulumi itself creates."""
    from pulumi import Output  # 0.45 s that `push` and `render` do not need

    return Output.secret(seed.apply(lambda value: deriver(value, settings.rotation)(label)))
