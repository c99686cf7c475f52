"""Small random repositories as kustomize takes them, and what the real kustomize makes of them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

Files = dict[str, str]

NAMES = ("web", "side", "log")
TAGS = st.sampled_from(["1", "2.0", "3-rc"])


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


def dump(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False)


def load(text: str) -> list[Any]:
    """Documents as Kubernetes reads them; PyYAML reads YAML 1.1, as it does."""
    return [item for item in yaml.safe_load_all(text) if item]


def write(root: Path, files: Files) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


def build(root: Path, entry: str) -> dict[tuple[str, str], Any] | None:
    """Objects by kind and name as kustomize builds them; None: it refuses the tree."""
    done = subprocess.run(
        ["kustomize", "build", "--load-restrictor=LoadRestrictionsNone", str(root / entry)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        return None
    return {(item["kind"], item["metadata"]["name"]): item for item in load(done.stdout)}


@st.composite
def container(draw: st.DrawFn, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "image": f"registry/{draw(st.sampled_from('ab'))}:{draw(TAGS)}"}
    if draw(st.booleans()):
        variables = draw(st.lists(st.sampled_from("ABC"), min_size=1, max_size=3, unique=True))
        found["env"] = [{"name": key, "value": draw(st.sampled_from(["x", "1", "true", "a: b"]))} for key in variables]
    return found


@st.composite
def deployment(draw: st.DrawFn, name: str) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    spec: dict[str, Any] = {"replicas": draw(st.integers(1, 4))} if draw(st.booleans()) else {}
    spec["template"] = {"spec": {"containers": [draw(container(item)) for item in names]}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


@st.composite
def merge_patch(draw: st.DrawFn, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    if draw(st.booleans()):
        spec["replicas"] = draw(st.integers(5, 9))
    if draw(st.booleans()) or not spec:
        spec["template"] = {"spec": {"containers": [draw(container(draw(st.sampled_from(NAMES))))]}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


OPERATIONS = st.lists(
    st.sampled_from(
        [
            {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "registry/b:9"},
            {"op": "add", "path": "/spec/replicas", "value": 7},
            {"op": "add", "path": "/metadata/annotations", "value": {"note": "x"}},
            {
                "op": "add",
                "path": "/spec/template/spec/containers/-",
                "value": {"name": "late", "image": "registry/a:0"},
            },
            {
                "op": "add",
                "path": "/spec/template/spec/containers/0",
                "value": {"name": "early", "image": "registry/b"},
            },
        ]
    ),
    min_size=1,
    max_size=2,
)
IMAGES = st.fixed_dictionaries(
    {"name": st.sampled_from(["registry/a", "registry/b"])},
    optional={"newTag": TAGS, "newName": st.sampled_from(["mirror/a", "mirror/c"])},
)


@st.composite
def kustomization(draw: st.DrawFn, resources: list[str], target: str, *, component: bool = False) -> tuple[Any, Files]:
    """A kustomization over the deployment `target`, and files that it names."""
    made: dict[str, Any] = {"resources": resources} if resources else {}
    if component:
        made |= {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
    files: Files = {}
    patches: list[Any] = []
    if draw(st.booleans()):
        body = dump(draw(merge_patch(target)))
        if draw(st.booleans()):
            files["patch.yaml"] = body
            patches.append({"path": "patch.yaml"})
        else:
            patches.append({"patch": body})
    if draw(st.booleans()):
        patches.append({"target": {"kind": "Deployment", "name": target}, "patch": dump(draw(OPERATIONS))})
    if draw(st.booleans()):
        patches.reverse()
    if patches:
        made["patches"] = patches
    if draw(st.booleans()):
        made["images"] = draw(st.lists(IMAGES, min_size=1, max_size=2, unique_by=lambda item: item["name"]))
    if draw(st.booleans()):
        made["replicas"] = [{"name": target, "count": draw(st.integers(10, 12))}]
    if draw(st.booleans()) and not component:
        made["namePrefix"] = draw(st.sampled_from(["p-", "q-"]))
    if draw(st.booleans()) and not component:
        made["namespace"] = draw(st.sampled_from(["one", "two"]))
    return made, files


@st.composite
def trees(draw: st.DrawFn) -> Files:
    """A base with a Deployment `app` and another one, and an overlay `env` over it, perhaps one between them."""
    base, files = draw(kustomization(["all.yaml"], "app"))
    other = draw(deployment("other"))
    files["all.yaml"] = "# The application.\n" + dump(draw(deployment("app"))) + "---\n" + dump(other)
    tree = {f"base/{name}": text for name, text in {**files, "kustomization.yaml": dump(base)}.items()}
    below, prefix = "../base", base.get("namePrefix", "")
    if draw(st.booleans()):
        middle, files = draw(kustomization([below], f"{prefix}app"))
        tree |= {f"middle/{name}": text for name, text in {**files, "kustomization.yaml": dump(middle)}.items()}
        below, prefix = "../middle", middle.get("namePrefix", "") + prefix
    top, files = draw(kustomization([below], f"{prefix}app"))
    if draw(st.booleans()):
        part, inner = draw(kustomization([], f"{prefix}app", component=True))
        tree |= {f"part/{name}": text for name, text in {**inner, "kustomization.yaml": dump(part)}.items()}
        top["components"] = ["../part"]
    return tree | {f"env/{name}": text for name, text in {**files, "kustomization.yaml": dump(top)}.items()}
