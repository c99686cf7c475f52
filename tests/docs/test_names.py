"""Files and modules that pages and docstrings name are there: a rename has to reach them, and only them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPONENTS = ROOT / "components"
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
PACKAGES = {file.parent.name for file in COMPONENTS.glob("*/__init__.py")}
MODULES = sorted(COMPONENTS.rglob("*.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"`((?:agent|components|policies|tests)/[\w./*-]+)`", page.read_text())
    assert not [path for path in named if not list(ROOT.glob(path))]


def there(package: str, name: str) -> bool:
    """Whether `package.name` is a module, or something that the package itself defines."""
    init = (COMPONENTS / package / "__init__.py").read_text()
    return any((COMPONENTS / package).glob(f"{name}.*")) or re.search(rf"\b{name}\b", init) is not None


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.relative_to(COMPONENTS).as_posix())
def test_every_module_that_a_docstring_leaves_something_to_is_there(module: Path) -> None:
    _, _, others = (ast.get_docstring(ast.parse(module.read_text())) or "").partition("Leaves to others:")
    named = re.findall(r"`(?:components\.)?(\w+)\.(\w+)`", others)
    assert not [f"{package}.{name}" for package, name in named if package in PACKAGES and not there(package, name)]


def test_plain_words_did_not_become_modules_names() -> None:
    modules = {f"{file.parent.name}.{file.stem}" for file in COMPONENTS.glob("*/*.py") if file.stem != "__init__"}
    text = "\n".join(page.read_text() for page in PAGES)
    assert not {name for name in re.findall(r"`(\w+\.\w+)`", text) if name in modules}
