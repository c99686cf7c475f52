"""What an agent imports is in its image, which has not got what only the API needs."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from raibid import worker

PROJECT = tomllib.loads((Path(__file__).parents[2] / "agent" / "pyproject.toml").read_text())["project"]
OTHERS = sorted(
    re.split(r"[\[>=<]", requirement)[0].replace("pyjwt", "jwt").replace("-", "_")
    for extra in ("api", "controller")
    for requirement in PROJECT["optional-dependencies"][extra]
)
BLOCKED = """
import importlib, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {others}:
            raise ModuleNotFoundError(f"No module named {{name!r}}")
sys.meta_path.insert(0, Absent())
for module in {modules}:
    importlib.import_module(module)
"""


def test_an_agent_needs_no_package_of_the_apis_or_the_controllers() -> None:
    folder = Path(worker.__file__).parent
    modules = [f"raibid.worker.{path.stem}" for path in sorted(folder.glob("*.py")) if not path.stem.startswith("__")]
    code = BLOCKED.format(others=OTHERS, modules=modules)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
