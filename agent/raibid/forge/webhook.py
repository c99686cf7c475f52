"""Webhook signatures: HMAC-SHA256 over the raw body, made and checked.

Owns: the two header forms, comparison in constant time, rotation (several secrets valid at once).
Leaves to others: reading the body (`raibid.api`), what it says (`gitea/webhook.py`, `github/webhook.py`).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final

GITEA_SIGNATURE: Final = "X-Gitea-Signature"
"""Bare hex (Gitea `services/webhook/deliver.go`)."""
HUB_SIGNATURE: Final = "X-Hub-Signature-256"
"""`sha256=` and hex: GitHub's only one, and sent by Gitea as well."""
_PREFIX: Final = "sha256="


def sign(body: bytes, secret: bytes) -> dict[str, str]:
    """The headers Gitea sends with this body."""
    digest = hmac.digest(secret, body, "sha256").hex()
    return {GITEA_SIGNATURE: digest, HUB_SIGNATURE: _PREFIX + digest}


def verify(body: bytes, headers: Mapping[str, str], secrets: tuple[bytes, ...]) -> bool:
    """Whether one of the secrets signed the raw body. No header, an empty one or no secret: no.

    `headers` finds names in any case (Starlette's do), or has lower-case keys.
    """
    given = headers.get(GITEA_SIGNATURE.lower())
    if given is None:
        hub = headers.get(HUB_SIGNATURE.lower(), "")
        given = hub.removeprefix(_PREFIX) if hub.startswith(_PREFIX) else ""
    # As bytes: compare_digest raises on text that is not ASCII, and a header may hold anything.
    claimed = given.encode("utf-8", "surrogateescape")
    return any(
        hmac.compare_digest(claimed, hmac.digest(secret, body, "sha256").hex().encode()) for secret in secrets if secret
    )
