"""The parts themselves: they start, answer, restart and leave nothing behind."""

from __future__ import annotations

from lightkube.resources.core_v1 import Namespace, ServiceAccount

from tests.cluster.parts.control_plane import ControlPlane
from tests.waiting import until


def test_the_control_plane_answers_and_its_controllers_work(control_plane: ControlPlane) -> None:
    control_plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "parts"}})
    client = control_plane.client()
    assert client.get(Namespace, "parts").metadata
    until(lambda: list(client.list(ServiceAccount, namespace="parts")), "a default service account is made")
