"""A cluster over lightkube's connection: objects of any kind, as the API server serves them.

Owns: paths of any kind, pages, watches, server-side apply with strict fields.
Leaves to others: connection and credentials (lightkube), their errors (`raibid.kube`), what is asked for.

Not lightkube's own `Client`: it wants a class per kind, and takes neither strict fields nor warnings of an apply.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Self
from urllib.parse import quote

import httpx2
from lightkube.config.client_adapter import Client, ConnectionParams
from lightkube.config.kubeconfig import KubeConfig

from raibid.gitops.cluster import Applied, Happening, Kind
from raibid.gitops.kinds import discovered
from raibid.gitops.objects import Manifest, Ref, mapping, metadata_of
from raibid.kube.errors import KubeNotFoundError
from raibid.kube.seam import configured, refused, translated

_AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_PAGE: Final = 500
_SECONDS: Final = 15.0


class KubeCluster:
    """As the service account or KUBECONFIG of this process sees it. A context manager: it holds connections."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._kinds: tuple[Kind, ...] = ()

    @classmethod
    def connect(cls, context: str = "") -> Self:
        """By the pod's service account, else by KUBECONFIG (`context`: another than its current one).

        Raises:
            KubeConfigError: neither of them can be used.
        """

        def client() -> httpx2.Client:
            config = KubeConfig.from_env().get(context or None)
            if config is None:
                raise ValueError("no such context")
            return Client(config, ConnectionParams(timeout=httpx2.Timeout(_SECONDS)))

        return cls(configured(client))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def kinds(self) -> Sequence[Kind]:
        """As the protocol says."""
        with self._lock:
            if not self._kinds:
                found = [
                    kind
                    for path in ("/api", "/apis")
                    for kind in discovered(self._ask("GET", path, "its kinds", headers={"Accept": _AGGREGATED}))
                ]
                self._kinds = tuple(found)
        return self._kinds

    def kind(self, group: str, kind: str) -> Kind:
        """As the protocol says."""
        found = next((item for item in self.kinds() if (item.group, item.kind) == (group, kind)), None)
        if found is None:
            raise KubeNotFoundError(f"the cluster serves no {kind}{f'.{group}' if group else ''}")
        return found

    def get(self, ref: Ref) -> Manifest:
        """As the protocol says."""
        return self._ask("GET", self._path(ref), str(ref))

    def objects(self, group: str, kind: str, namespace: str = "") -> Sequence[Manifest]:
        """As the protocol says."""
        return self._listed(self.kind(group, kind), namespace)[0]

    def _listed(self, kind: Kind, namespace: str) -> tuple[list[Manifest], str]:
        path, found, after = _collection(kind, namespace), list[Manifest](), ""
        while True:
            params = {"limit": str(_PAGE), **({"continue": after} if after else {})}
            page = self._ask("GET", path, f"list of {kind.plural}", params=params)
            # Items of a list do not say what they are.
            found += [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in page.get("items") or ()]
            metadata = metadata_of(page)
            after = str(metadata.get("continue", ""))
            if not after:
                return found, str(metadata.get("resourceVersion", ""))

    def watch(self, group: str, kind: str, namespace: str = "", *, seconds: float) -> Iterator[Manifest]:
        """As the protocol says."""
        which = self.kind(group, kind)
        # Listed first: a watch without a version waits until the server's cache has caught up, which may be minutes.
        items, version = self._listed(which, namespace)
        yield from items
        params = {
            "watch": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(max(1, int(seconds))),
            "allowWatchBookmarks": "false",
        }
        timeout = httpx2.Timeout(_SECONDS, read=seconds + _SECONDS)
        what = f"watch of {which.plural}"
        with (
            translated(what),
            self._client.stream("GET", _collection(which, namespace), params=params, timeout=timeout) as answer,
        ):
            _check(what, answer)
            for line in answer.iter_lines():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    status = mapping(event["object"])
                    raise refused(what, int(status.get("code", 0)), str(status.get("message", "")))
                yield event["object"]

    def happenings(self, ref: Ref) -> Sequence[Happening]:
        """As the protocol says."""
        selector = f"involvedObject.kind={ref.kind},involvedObject.name={ref.name}"
        # Events about objects of no namespace are in `default`.
        path = f"/api/v1/namespaces/{quote(ref.namespace or 'default')}/events"
        found = self._ask("GET", path, f"events of {ref}", params={"fieldSelector": selector}).get("items") or ()
        happenings = [_happening(item) for item in found]
        return sorted(happenings, key=lambda happening: happening.at)

    def annotate(self, ref: Ref, **annotations: str) -> None:
        """As the protocol says."""
        body = json.dumps({"metadata": {"annotations": annotations}})
        headers = {"Content-Type": "application/merge-patch+json"}
        self._ask("PATCH", self._path(ref), str(ref), content=body, headers=headers)

    def apply(self, manifest: Manifest, *, manager: str, dry_run: bool = False, force: bool = False) -> Applied:
        """As the protocol says."""
        ref = _ref_of(manifest)
        params = {"fieldManager": manager, "fieldValidation": "Strict", "force": str(force).lower()}
        answer = self._send(
            "PATCH",
            self._path(ref, str(manifest.get("apiVersion", ""))),
            str(ref),
            params={**params, **({"dryRun": "All"} if dry_run else {})},
            content=json.dumps(manifest),
            headers={"Content-Type": "application/apply-patch+yaml"},
        )
        warnings = tuple(_warning(header) for header in answer.headers.get_list("Warning"))
        return Applied(answer.json(), warnings)

    def create(self, manifest: Manifest) -> Manifest:
        """As the protocol says."""
        ref = _ref_of(manifest)
        path = self._path(ref, str(manifest.get("apiVersion", ""))).rpartition("/")[0]
        return self._ask("POST", path, str(ref), json=manifest)

    def _path(self, ref: Ref, api_version: str = "") -> str:
        kind = self.kind(ref.group, ref.kind)
        return f"{_collection(kind, ref.namespace, api_version)}/{quote(ref.name, safe='')}"

    def _ask(self, method: str, path: str, what: str, **how: Any) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self._send(method, path, what, **how).json()
        return answer

    def _send(self, method: str, path: str, what: str, **how: Any) -> httpx2.Response:
        with translated(what):
            answer = self._client.request(method, path, **how)
        _check(what, answer)
        return answer


def _check(what: str, answer: httpx2.Response) -> None:
    if answer.status_code < HTTPStatus.BAD_REQUEST:
        return
    answer.read()
    try:
        message = str(mapping(answer.json()).get("message", ""))
    except ValueError:  # a proxy's page
        message = ""
    raise refused(what, answer.status_code, message or answer.reason_phrase)


def _collection(kind: Kind, namespace: str, api_version: str = "") -> str:
    version = api_version or kind.api_version
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    within = f"/namespaces/{quote(namespace, safe='')}" if namespace and kind.namespaced else ""
    return f"{root}{within}/{kind.plural}"


def _ref_of(manifest: Manifest) -> Ref:
    metadata = metadata_of(manifest)
    group = str(manifest.get("apiVersion", "")).rpartition("/")[0]
    name = str(metadata.get("name") or metadata.get("generateName", ""))
    return Ref(group, str(manifest.get("kind", "")), str(metadata.get("namespace", "")), name)


def _happening(item: Manifest) -> Happening:
    return Happening(
        str(item.get("type", "")),
        str(item.get("reason", "")),
        str(item.get("message", "")),
        str(item.get("lastTimestamp") or item.get("eventTime") or metadata_of(item).get("creationTimestamp", "")),
        str(mapping(item.get("source")).get("component") or item.get("reportingComponent", "")),
    )


def _warning(header: str) -> str:
    """The text of `299 - "..."` (RFC 7234 5.5)."""
    return header.partition('"')[2].rpartition('"')[0].replace('\\"', '"')
