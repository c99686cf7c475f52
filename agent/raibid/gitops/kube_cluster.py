"""A cluster over lightkube's connection: objects of any kind, as the API server serves them.

Owns: paths of any kind, pages, watches, server-side apply with strict fields.
Leaves to others: connection and credentials (lightkube), their errors (`raibid.kube`), what is asked for.

Not lightkube's own `Client`: it wants a class per kind, and takes neither strict fields nor warnings of an apply.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, Self
from urllib.parse import quote

import httpx2
from lightkube.config.client_adapter import Client, ConnectionParams
from lightkube.config.kubeconfig import KubeConfig

from raibid.gitops.cluster import Applied, Happening, Kind
from raibid.gitops.kinds import discovered
from raibid.gitops.objects import Manifest, Ref, mapping, metadata_of, ref_of
from raibid.kube.errors import KubeError, KubeInvalidError, KubeNotFoundError
from raibid.kube.seam import configured, refused, translated, with_plugin

_AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_PAGE: Final = 500
_SECONDS: Final = 15.0
_MANAGER: Final = "raibid"
"""Who sets annotations and creates; an apply says it itself."""
_KINDS_FRESH: Final = 30.0
"""Seconds until a kind that was not there is asked for again: operators bring their kinds while a controller runs."""


_NO_RIGHT: Final = re.compile(r'(?:\S+ (?:"[^"]*" )?is )?forbidden: User ".*" cannot ')
"""How every authorizer's refusal begins: `pods "web" is forbidden: User "x" cannot get …`, of paths without an object.
Any other 403 is admission's, and means the object and not who asks: Pod Security, quotas, a webhook's own words."""


class KubeCluster:
    """As the service account or KUBECONFIG of this process sees it. A context manager: it holds connections."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._kinds: tuple[Kind, ...] = ()
        self._asked = 0.0

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
            return with_plugin(Client(config, ConnectionParams(timeout=httpx2.Timeout(_SECONDS))))

        return cls(configured(client))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def kinds(self) -> Sequence[Kind]:
        """As the protocol says."""
        with self._lock:
            if not self._kinds:
                self._discover()
            return self._kinds

    def _discover(self) -> None:
        self._kinds = tuple(
            kind
            for path in ("/api", "/apis")
            for kind in discovered(self._ask("GET", path, "its kinds", headers={"Accept": _AGGREGATED}))
        )
        self._asked = time.monotonic()

    def kind(self, group: str, kind: str) -> Kind:
        """As the protocol says."""
        found = _one_of(self.kinds(), group, kind)
        if found is None:
            with self._lock:
                if time.monotonic() - self._asked > _KINDS_FRESH:
                    self._discover()
            found = _one_of(self._kinds, group, kind)
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
                event = _read(what, line)
                found = mapping(event.get("object"))
                if event.get("type") == "ERROR":
                    raise refused(what, int(found.get("code", 0)), str(found.get("message", "")))
                yield _deleted(found) if event.get("type") == "DELETED" else found

    def happenings(self, ref: Ref) -> Sequence[Happening]:
        """As the protocol says."""
        selector = f"involvedObject.kind={ref.kind},involvedObject.name={ref.name}"
        # Events about objects of no namespace are in `default`.
        path = f"/api/v1/namespaces/{_segment(ref.namespace or 'default')}/events"
        found = self._ask("GET", path, f"events of {ref}", params={"fieldSelector": selector}).get("items") or ()
        happenings = [_happening(item) for item in found]
        return sorted(happenings, key=lambda happening: happening.at)

    def annotate(self, ref: Ref, **annotations: str) -> None:
        """As the protocol says."""
        self._ask(
            "PATCH",
            self._path(ref),
            str(ref),
            params={"fieldManager": _MANAGER},
            content=json.dumps({"metadata": {"annotations": annotations}}),
            headers={"Content-Type": "application/merge-patch+json"},
        )

    def apply(self, manifest: Manifest, *, manager: str, dry_run: bool = False, force: bool = False) -> Applied:
        """As the protocol says."""
        how = {"force": str(force).lower()}
        return self._put("PATCH", "application/apply-patch+yaml", manifest, manager, dry_run=dry_run, **how)

    def replace(self, manifest: Manifest, *, manager: str, dry_run: bool = False) -> Applied:
        """As the protocol says."""
        return self._put("PUT", "application/json", manifest, manager, dry_run=dry_run)

    def _put(
        self, method: str, media: str, manifest: Manifest, manager: str, *, dry_run: bool, **how: str
    ) -> Applied:  # fmt: skip
        ref = ref_of(manifest)
        params = {"fieldManager": manager, "fieldValidation": "Strict", **how}
        answer = self._send(
            method,
            self._path(ref, str(manifest.get("apiVersion", ""))),
            str(ref),
            params={**params, **({"dryRun": "All"} if dry_run else {})},
            content=_written(str(ref), manifest),
            headers={"Content-Type": media},
        )
        warnings = tuple(_warning(header) for header in answer.headers.get_list("Warning"))
        return Applied(_read(str(ref), answer.text), warnings)

    def create(self, manifest: Manifest) -> Manifest:
        """As the protocol says."""
        ref = ref_of(manifest)  # its name may be left to the server (`generateName`)
        return self._ask(
            "POST",
            self._within(ref, str(manifest.get("apiVersion", ""))),
            str(ref),
            params={"fieldManager": _MANAGER},
            content=_written(str(ref), manifest),
            headers={"Content-Type": "application/json"},
        )

    def _path(self, ref: Ref, api_version: str = "") -> str:
        return f"{self._within(ref, api_version)}/{_segment(ref.name)}"

    def _within(self, ref: Ref, api_version: str = "") -> str:
        """The collection that an object is in."""
        kind = self.kind(ref.group, ref.kind)
        if kind.namespaced and not ref.namespace:
            raise KubeNotFoundError(f"{ref}: it is in a namespace, and none is said")
        return _collection(kind, ref.namespace, api_version)

    def _ask(self, method: str, path: str, what: str, **how: Any) -> Mapping[str, Any]:
        return _read(what, self._send(method, path, what, **how).text)

    def _send(self, method: str, path: str, what: str, **how: Any) -> httpx2.Response:
        with translated(what):
            answer = self._client.request(method, path, **how)
        _check(what, answer)
        return answer


def _one_of(kinds: Sequence[Kind], group: str, kind: str) -> Kind | None:
    return next((item for item in kinds if (item.group, item.kind) == (group, kind)), None)


def _check(what: str, answer: httpx2.Response) -> None:
    if answer.is_success:
        return
    answer.read()
    try:
        message = str(mapping(answer.json()).get("message", ""))
    except ValueError:  # a proxy's page
        message = ""
    if answer.status_code == HTTPStatus.FORBIDDEN and message and not _NO_RIGHT.match(message):
        raise KubeInvalidError(f"{what}: {message} ({answer.status_code})")
    raise refused(what, answer.status_code, message or answer.reason_phrase)


def _read(what: str, text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise KubeError(f"{what}: not what Kubernetes answers: {error}") from error
    return mapping(found)


def _written(what: str, manifest: Manifest) -> str:
    try:
        return json.dumps(manifest)
    except (TypeError, ValueError) as error:  # YAML has dates and sets, JSON has not
        raise KubeInvalidError(f"{what}: {error}") from error


def _deleted(item: Manifest) -> Manifest:
    """Without finalizers an object goes at once, and its last event has it as it was, alive."""
    metadata = metadata_of(item)
    if metadata.get("deletionTimestamp"):
        return item
    return {**item, "metadata": {**metadata, "deletionTimestamp": datetime.now(UTC).isoformat(timespec="seconds")}}


def _collection(kind: Kind, namespace: str, api_version: str = "") -> str:
    version = api_version or kind.api_version
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    within = f"/namespaces/{_segment(namespace)}" if namespace and kind.namespaced else ""
    return f"{root}{within}/{kind.plural}"


def _segment(name: str) -> str:
    """One step of a path. Names come from annotations that strangers wrote: `..` would be another object's path, and
    none at all the whole collection's."""
    if name in ("", ".", ".."):
        raise KubeNotFoundError(f"{name!r} is no name")
    return quote(name, safe="")


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
