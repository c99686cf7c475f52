"""`components render`: the Flux repository as a directory, the same bytes that `up` pushes.

Owns: where the secret values come from (a file or stdin, never an argument), what is said at the end.
Leaves to others: the tree (`systems`), writing it (`rendering`), encryption (`sops`).
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from components.commands.terminal import PLAIN, USAGE, CommandError, Flag, Output, line
from components.fleet.seal import Sealing, seal
from components.manifest_tree import Emission
from components.rendering import write_tree
from components.secret_values import deriver
from components.settings import Settings, load_stack
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
        A JSON file with {"seed": "…", "ageKey": "…"}, or - for stdin; without it Secrets stay as they are in `out`, or
        are missing. With ageKey, ciphertext that says the same is kept.
    force
        Replace whatever is in `out`.
    """
    settings = load_stack(stack)
    tree = emission(settings)
    sealed = _sealed(settings, tree, _read(secrets_from), out) if secrets_from else {}
    missing = write_tree(out, tree, sealed, force=force)
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
        line(f"  missing: {path} (give a seed: --secrets-from FILE)", "yellow")
    return 0


def _read(source: str) -> dict[str, str]:
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        values = json.loads(text)
    except OSError as error:
        raise CommandError(f"{source}: {error.strerror}", "name a file, or - for stdin", USAGE) from error
    except ValueError as error:  # its message would quote what it could not read
        raise CommandError(f"{source}: not JSON", 'write {"seed": "…", "ageKey": "…"}', USAGE) from error
    if not isinstance(values, dict) or not isinstance(values.get("seed"), str):
        raise CommandError(f"{source}: has no seed", 'write {"seed": "…", "ageKey": "…"}', USAGE)
    return values


def _sealed(settings: Settings, tree: Emission, values: dict[str, str], out: Path) -> dict[str, bytes]:
    """Ciphertext of every Secret; what `out` holds already is kept where ageKey shows that it says the same."""
    keys = settings.recipients
    if keys is None:
        raise CommandError(
            f"stack {settings.environment} has no recipients to encrypt for",
            f"python -m components keys --stack {settings.environment}",
        )
    derive = deriver(values["seed"], settings.rotation)
    sealing = Sealing(
        recipients=(keys.cluster, keys.recovery),
        identity=values.get("ageKey", ""),
        overwrite=True,
        now=datetime.now(UTC),
    )
    sealed = {}
    for path, secret in tree.secrets.items():
        present = (out / path).read_bytes() if (out / path).exists() else None
        answer = seal(sealing, path, secret.manifest(derive), present, "")
        if isinstance(answer, bytes):
            sealed[path] = answer
    return sealed
