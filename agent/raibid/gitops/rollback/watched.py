"""What the controller looks after: every Kustomization of a namespace, every HelmRelease of several.

Owns: listing them, and one object with all that a round needs of it.
Leaves to others: what they say (`facts.py`), where their files are (`reading.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from raibid.gitops.cluster import Cluster, Happening
from raibid.gitops.errors import GitopsError
from raibid.gitops.objects import Manifest, Ref, conditions_of, metadata_of, ref_of, text
from raibid.gitops.rollback import second_attempt
from raibid.gitops.rollback.decide import Facts
from raibid.gitops.rollback.reading import HELM_RELEASE, KUSTOMIZATION, Reading, read
from raibid.gitops.rollback.records import Affair, Stage
from raibid.gitops.rollback.standing import Rollback
from raibid.kube.errors import KubeError, KubeNotFoundError

_LONGEST: Final = 500
Trouble = Callable[[str, Exception], None]


@dataclass(frozen=True)
class Watched:
    """An applier, as it is in this round."""

    cluster: Cluster
    manifest: Manifest
    reading: Reading

    @property
    def ref(self) -> Ref:
        """Which one."""
        return self.reading.facts.about

    @property
    def facts(self) -> Facts:
        """What it says."""
        return self.reading.facts

    @property
    def ready(self) -> bool:
        """Whether all is well."""
        return _is_ready(self.manifest)

    @property
    def state(self) -> tuple[Ref, str, str]:
        """What a decision about it holds for."""
        return self.ref, self.facts.attempted, self.facts.fetched

    @property
    def words(self) -> str:
        """The failure as it says it, in one line."""
        ready = self.facts.ready
        return " ".join(f"{ready.reason}: {ready.message}".split())[:_LONGEST] if ready else "no Ready condition"

    def ask_again(self, cluster: Cluster) -> bool:
        """Have Flux try the failed commit once more now; whether it was asked, for it is asked once."""
        return second_attempt.ask(cluster, self.ref, self.manifest, self.facts.attempted)

    def affair(
        self, stage: Stage, *, bad: str = "", good: str = "", word: str = "", pull: str = "",
        rollback: Rollback | None = None,
    ) -> Affair:  # fmt: skip
        """What is told about it. `rollback`: what was done already, by which the issue of its commit is found."""
        return Affair(
            about=self.ref,
            api_version=text(self.manifest.get("apiVersion")),
            uid=text(metadata_of(self.manifest).get("uid")),
            stage=stage,
            bad=next(iter(rollback.reverted), bad) if rollback else bad,
            good=rollback.good if rollback else good,
            reason=rollback.reason if rollback else self.words,
            reverted=rollback.reverted if rollback else (),
            revert=rollback.sha if rollback else "",
            pull=pull,
            word=word if rollback is None or stage is not Stage.STOPPED else f"{word}\n{self.words}",
        )

    def happenings(self) -> Sequence[Happening]:
        """Events about it; none if we may not see them: the condition's message says what is wrong."""
        try:
            return self.cluster.happenings(self.ref)
        except KubeError:
            return ()


def watched(cluster: Cluster, namespace: str, releases: Sequence[str], trouble: Trouble) -> Iterator[Watched]:
    """Everything as it is now; what cannot be read is told, and left out. `releases`: namespaces beside its own.

    Raises:
        KubeError: the cluster does not say which Kustomizations there are.
    """
    yield from _read(cluster, cluster.objects(*KUSTOMIZATION, namespace), trouble)
    for space in (namespace, *releases):
        try:
            found = cluster.objects(*HELM_RELEASE, space)
        except KubeNotFoundError:  # helm-controller is not installed
            return
        except KubeError as error:
            trouble(f"HelmReleases of {space}", error)
        else:
            yield from _read(cluster, found, trouble)


def _read(cluster: Cluster, manifests: Sequence[Manifest], trouble: Trouble) -> Iterator[Watched]:
    for manifest in manifests:
        ref = ref_of(manifest)
        if ref.kind == HELM_RELEASE[1] and _is_ready(manifest):
            continue  # whose it is takes a walk, and nobody asks
        try:
            yield Watched(cluster, manifest, read(cluster, ref))
        except KubeNotFoundError:
            continue  # deleted since it was listed
        except (KubeError, GitopsError) as error:
            trouble(str(ref), error)


def _is_ready(manifest: Manifest) -> bool:
    ready = conditions_of(manifest).get("Ready")
    return ready is not None and ready.status == "True"
