"""`components render`: the Flux repository as a directory, the same bytes that `up` pushes.

Owns: where the secret values come from (a file or stdin, never an argument), what is said at the end.
Leaves to others: the tree (`systems`), writing it (`rendering`), encryption (`sops`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from components.commands.terminal import PLAIN, Flag, Output, line
from components.rendering import write_tree
from components.settings import load_stack
from components.systems import emission


def render(
    *,
    stack: str,
    out: Path,
    secrets_from: Annotated[str, Parameter(name="--secrets-from")] = "",
    force: Annotated[bool, Flag] = False,
    output: Output = PLAIN,
) -> int:
    """Write the Flux repository of a stack to a directory: the same bytes that `up` pushes, without an engine.

    Replaces a directory that it wrote before, whole or not at all; refuses any other that is not empty.

    For example:
      python -m components render --stack dgx-spark --out build/fleet
      python -m components render --stack local --out build/fleet --secrets-from seed.json
      pulumi config get seed | jq -R '{seed: .}' | python -m components render --stack dev --out build/fleet \
--secrets-from -

    Parameters
    ----------
    stack
        Whose settings: Pulumi.<stack>.yaml.
    out
        Where to.
    secrets_from
        A JSON file with {"seed": "…"}, or - for stdin; without it Secrets stay as they are in `out`, or are missing.
    force
        Replace whatever is in `out`.
    """
    settings = load_stack(stack)
    tree = emission(settings)
    missing = write_tree(out, tree, {}, force=force)
    if output.json:
        output.emit(
            {
                "out": str(out),
                "digest": tree.digest(),
                "files": tree.digests(),
                "secrets": sorted(set(tree.secrets) - set(missing)),
                "missing": missing,
                "seeds": sorted(tree.seeds),
            }
        )
        return 0
    line(f"{out}: {len(tree.files)} files, {len(tree.secrets) - len(missing)} Secrets, {len(tree.seeds)} seeds")
    for path in missing:
        line(f"  missing: {path} (no seed: --secrets-from FILE)", "yellow")
    return 0
