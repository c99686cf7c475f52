"""Where a HelmRelease has its chart and its values from: what to know before its manifest is edited.

Owns: reading `chart`, `chartRef` and `valuesFrom`.
Leaves to others: the HelmRelease's own manifest, which is what one edits (`flux.py`, `find.py`).
"""

from __future__ import annotations

from raibid.gitops.groups import SOURCE
from raibid.gitops.objects import Manifest, mapping, mappings, ref_of, spec_of, text
from raibid.gitops.owner.artifact import relative
from raibid.gitops.owner.sources import joined, source_at, source_ref
from raibid.gitops.owner.world import World

_IN_FILES = ("GitRepository", "ExternalArtifact")
"""Sources where a chart is a directory."""


def described_chart(world: World, release: Manifest) -> str:
    """In words: the chart, and the ConfigMaps and Secrets that its values also come from."""
    spec, ref = spec_of(release), ref_of(release)
    return joined(f"rendered by {ref} from {_chart(world, release)}", _values(spec.get("valuesFrom")))


def _chart(world: World, release: Manifest) -> str:
    spec, namespace = spec_of(release), ref_of(release).namespace
    name, reference = "", spec.get("chartRef")
    if reference is None:
        template = mapping(mapping(spec.get("chart")).get("spec"))
        name, reference = text(template.get("chart")), template.get("sourceRef")
    source = source_ref(reference, namespace)
    if (source.group, source.kind) == (SOURCE, "HelmChart"):
        chart = spec_of(world.get(source) or {})
        name, source = text(chart.get("chart")), source_ref(chart.get("sourceRef"), source.namespace)
    if source.kind not in _IN_FILES:
        return f"chart {name} of {source}" if name else f"the chart in {source}"
    found = source_at(world, source, relative(name))
    if found.place is None:
        return f"chart {name or '.'} of {source} ({found.note})"
    return f"chart {found.place.path or '.'} of {found.place.repository} ({found.place.branch or 'fixed'})"


def _values(sources: object) -> str:
    named = [f"{text(item.get('kind'))}/{text(item.get('name'))}" for item in mappings(sources)]
    return f"values come from {', '.join(named)} too" if named else ""
