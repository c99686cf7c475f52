"""What a deployment needs and a preview may lack: asked once, before anything is registered, and told all at once.

Owns: which keys, secrets and hosts a kind of cluster cannot do without, stopping the deployment, what the
operator's own mistakes look like in the engine.
Leaves to others: what is a mistake in any case (`settings`), making the keys (`commands.keys`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pulumi

from components import k3s
from components.budget import BudgetError
from components.manifest_tree import PathConflictError
from components.settings import Settings, SettingsError, StackSecrets, notices


class NotReadyError(Exception):
    """The stack lacks something that a deployment needs; the message has a line for each. `hint` says what to do."""

    hint = "docs/secrets.md, docs/host.md"


@contextmanager
def in_sentences() -> Iterator[None]:
    """An operator's mistake ends the run with what is wrong and what to do; a traceback of ours helps nobody there.

    Raises:
        pulumi.RunError: instead of it; the engine prints no more than its text.
    """
    try:
        yield
    except (SettingsError, BudgetError, NotReadyError, PathConflictError) as mistake:
        hint = getattr(mistake, "hint", "")
        raise pulumi.RunError(f"{mistake}\nnext: {hint}" if hint else str(mistake)) from mistake


def check(settings: Settings, secrets: StackSecrets) -> None:
    """Let a preview pass with a warning for each thing that is missing, or is worth a word anyway.

    Raises:
        NotReadyError: this is a deployment, and something is missing.
    """
    missing = obstacles(settings, secrets)
    if missing and not pulumi.runtime.is_dry_run():
        raise NotReadyError("\n".join(missing))
    told = {_path(obstacle) for obstacle in missing}
    for warning in (*missing, *(notice for notice in notices(settings) if _path(notice) not in told)):
        pulumi.log.warn(warning)


def obstacles(settings: Settings, secrets: StackSecrets) -> tuple[str, ...]:
    """What is missing, as `path: what is missing: what to do`."""
    return tuple(_obstacles(settings, secrets))


def _obstacles(settings: Settings, secrets: StackSecrets) -> Iterator[str]:
    if settings.cluster.kind == "embedded":  # processes of this machine, whose keys `up` makes
        return
    make = "python -m components keys --stack <stack>"
    if secrets.seed is None:
        yield f"seed: unset: every password is derived from it, so no pod would find its Secret: {make}"
    if secrets.age_key is None:
        yield f"ageKey: unset: Flux decrypts with it, and every stage of the repository needs that: {make}"
    if settings.recipients is None:
        yield f"recipients: unset: Secrets cannot be encrypted, so the repository would have none: {make}"
    if settings.fleet.url.startswith(("https://", "http://")) and secrets.git_password is None:
        yield "gitPassword: unset: Flux fetches fleet.url with it: pulumi config set --secret gitPassword"
    if settings.cluster.kind == "k3s":
        yield from k3s.obstacles(settings)


def _path(line: str) -> str:
    return line.partition(":")[0]
