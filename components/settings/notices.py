"""What a stack's config may say and is still worth a word.

Owns: the sentences, none of which stops anything.
Leaves to others: mistakes (`rules`), what a deployment cannot do without (`components.readiness`).
"""

from __future__ import annotations

from typing import Final

from raibid.contract import AclUser

from components.settings.model import Settings

_KEDA_PASSWORD: Final = f"redis/{AclUser.KEDA}"


def notices(settings: Settings) -> tuple[str, ...]:
    """What is allowed and still worth a word, one sentence each."""
    found = []
    if settings.domain.endswith(".local"):
        found.append(
            f"domain: {settings.domain}: names under .local belong to mDNS (RFC 6762), so hosts may not ask DNS for "
            "them: the hosts file gets them, clients elsewhere need the same"
        )
    if settings.cluster.kind == "k3s":
        found += [
            f"nodes[{index}].hostKey: empty: nothing can be run on {node.host} until its public host key is set"
            for index, node in enumerate(settings.nodes)
            if not node.host_key
        ]
    if settings.scaler == "direct" and _KEDA_PASSWORD in settings.rotation:
        found.append(f"rotation.{_KEDA_PASSWORD}: nobody logs in with it: scaler direct installs no KEDA")
    if settings.recipients is None:
        found.append("recipients: unset: Secrets cannot be encrypted and are listed as missing")
    return tuple(found)
