"""What live objects may hold in place of what they should: any JSON, with the names that the code looks at."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

_NAMES: Final = (
    "artifact", "conditions", "containerStatuses", "dependsOn", "generation", "helmChart", "history", "kind",
    "lastAppliedRevision", "lastAttemptedGeneration", "lastAttemptedRevision", "message", "metadata", "name",
    "namespace", "observedGeneration", "ownerReferences", "phase", "reason", "replicas", "resourceVersion", "revision",
    "rollingUpdate", "sourceRef", "state", "status", "suspend", "timeout", "type", "updateStrategy", "waiting",
)  # fmt: skip
_WORDS: Final = ("True", "False", "Ready", "Reconciling", "Stalled", "Progressing", "DependencyNotReady", "", "5m0s")

_PLAIN = st.none() | st.booleans() | st.integers() | st.sampled_from(_WORDS) | st.text(max_size=5)

JUNK: Final[st.SearchStrategy[Any]] = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4),
    max_leaves=12,
)
