"""The stack's Gitea where sources are on this machine.

Owns: what differs for that from the emitted pod.
Leaves to others: everything else about Gitea (`gitea_server.py`), the sources (`git_http.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.cluster.parts.gitea_server import Gitea


class Mirroring(Gitea):
    """It may clone from this machine: elsewhere sources are on the Internet."""

    def _differences(self, emitted: Mapping[str, str]) -> dict[str, str]:
        return {**super()._differences(emitted), "GITEA__migrations__ALLOW_LOCALNETWORKS": "true"}
