"""The API server's plain answers: status, object, and the Warning headers that clients print and forget.

Owns: requests for any kind by its manifest (apply, create, delete, patch a status), in anybody's name.
Leaves to others: typed clients (`parts.control_plane`), which objects (tests).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import requests

from tests.cluster.parts.control_plane import ControlPlane
from tests.cluster.parts.kube_apiserver import ADMIN

Manifest = Mapping[str, Any]
_TIMEOUT: Final = 60
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"


@dataclass(frozen=True)
class Answer:
    """What the API server said to one request."""

    status: int
    body: Manifest
    """The object, or a Status that says why there is none."""
    warnings: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the request was carried out."""
        return self.status < 300

    @property
    def said(self) -> str:
        """The message of a refusal."""
        return "" if self.accepted else str(self.body.get("message", self.body))

    @property
    def version(self) -> str:
        """The object's resourceVersion: equal before and after means that nothing was written."""
        return str(self.body["metadata"]["resourceVersion"])


class Api:
    """Requests of one user; `impersonate`: in the name of somebody else, a service account for example."""

    def __init__(self, cluster: ControlPlane, *, impersonate: str = "") -> None:
        self._url = cluster.url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(cluster.authority.certificate)
        self._session.headers["Authorization"] = f"Bearer {cluster.apiserver.tokens[ADMIN]}"
        if impersonate:
            self._session.headers["Impersonate-User"] = impersonate
        self._resources: dict[tuple[str, str], tuple[str, bool]] = {}

    def apply(
        self, manifest: Manifest, *, manager: str = "tests", force: bool = False, dry_run: bool = False
    ) -> Answer:
        """Server-side apply with strict field validation; without `force` a field of another manager is a refusal."""
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"}
        return self._ask("PATCH", self.path(manifest), query | _dry(dry_run), manifest, _APPLY)

    def create(self, manifest: Manifest, *, dry_run: bool = False) -> Answer:
        """POST with strict field validation; a dry run passes all of admission and stores nothing."""
        collection = self.path(manifest).rpartition("/")[0]
        return self._ask("POST", collection, {"fieldValidation": "Strict"} | _dry(dry_run), manifest)

    def get(self, manifest: Manifest) -> Answer:
        """The object of that kind, namespace and name, as it is now."""
        return self._ask("GET", self.path(manifest))

    def list(self, version: str, kind: str, namespace: str = "") -> list[dict[str, Any]]:
        """All objects of a kind, in one namespace or everywhere; none, when the kind itself has gone."""
        path = self._collection(version, kind, namespace)
        answer = self._ask("GET", path)
        if answer.status == 404:
            return []
        assert answer.accepted, answer.said
        return list(answer.body["items"])

    def delete(self, manifest: Manifest, *, grace: int | None = None) -> Answer:
        """Delete it, dependants in the background; `grace`: seconds, 0 as a kubelet does when a pod has ended."""
        patience = {} if grace is None else {"gracePeriodSeconds": str(grace)}
        return self._ask("DELETE", self.path(manifest), {"propagationPolicy": "Background"} | patience)

    def merge(self, manifest: Manifest, change: Manifest, *, status: bool = False) -> Answer:
        """Merge patch of an object, or of its status."""
        path = self.path(manifest) + ("/status" if status else "")
        return self._ask("PATCH", path, {}, change, _MERGE)

    def post(self, path: str, body: Manifest) -> Answer:
        """POST to a path of its own: reviews, evictions, bindings."""
        return self._ask("POST", path, {}, body)

    def path(self, manifest: Manifest) -> str:
        """The URL path of an object."""
        metadata = manifest["metadata"]
        namespace = metadata.get("namespace", "")
        return f"{self._collection(manifest['apiVersion'], manifest['kind'], namespace)}/{metadata.get('name', '')}"

    def _collection(self, version: str, kind: str, namespace: str) -> str:
        plural, namespaced = self._resource(version, kind)
        return f"{_root(version)}{f'/namespaces/{namespace}' if namespaced and namespace else ''}/{plural}"

    def _resource(self, version: str, kind: str) -> tuple[str, bool]:
        if (version, kind) not in self._resources:
            answer = self._ask("GET", _root(version))
            assert answer.accepted, f"{version}: {answer.said}"
            for item in answer.body["resources"]:
                if "/" not in item["name"]:
                    self._resources[version, item["kind"]] = (item["name"], item["namespaced"])
        assert (version, kind) in self._resources, f"the API server does not know {version} {kind}"
        return self._resources[version, kind]

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        content: str = "application/json",
    ) -> Answer:
        response = self._session.request(
            method,
            f"{self._url}{path}",
            params=dict(query or {}),
            json=body,
            headers={"Content-Type": content} if body is not None else {},
            timeout=_TIMEOUT,
        )
        warnings = response.raw.headers.getlist("Warning")
        return Answer(response.status_code, response.json(), tuple(warnings))


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _dry(wanted: bool) -> dict[str, str]:
    return {"dryRun": "All"} if wanted else {}
