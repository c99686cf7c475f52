"""What the GitOps commands need from outside: the cluster, the settings, credentials; and their errors as exit codes.

Owns: where each is found, the last word about each error.
Leaves to others: what is done with them (`gitops_*.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from raibid.cli.errors import CliError
from raibid.contract import Env, ExitCode
from raibid.forge.errors import CallError, ForgeForbiddenError, ForgeLoginError, ForgeReachError, ForgeUnavailableError
from raibid.git.errors import GitError
from raibid.gitops.errors import (
    ContestedError,
    GitopsError,
    GitopsSettingsError,
    NoFileError,
    NoRepositoryError,
    NotAllowedError,
    ProbeError,
    PushRefusedError,
    UnknownKindError,
    UnmanagedError,
)
from raibid.gitops.kube_cluster import KubeCluster
from raibid.gitops.settings import GitopsSettings
from raibid.kube.errors import (
    KubeConfigError,
    KubeError,
    KubeNotFoundError,
    KubeRefusedError,
    KubeUnavailableError,
)


def cluster(context: str = "") -> KubeCluster:
    """The cluster of the pod's service account, else of KUBECONFIG. Raises KubeConfigError."""
    return KubeCluster.connect(context)


def settings() -> GitopsSettings:
    """RAIBID_GITOPS_FILE, or the defaults. Raises GitopsSettingsError."""
    file = os.environ.get(Env.GITOPS_FILE, "")
    return GitopsSettings.load(Path(file) if file else None)


def credentials() -> Path | None:
    """RAIBID_FORGE_CREDENTIALS_FILE: a line per forge, as git-credential-store has them."""
    file = os.environ.get(Env.FORGE_CREDENTIALS_FILE, "")
    return Path(file) if file else None


_ENDS: Final[Sequence[tuple[tuple[type[Exception], ...], str, int]]] = (
    ((UnknownKindError, NoFileError, NoRepositoryError), "", ExitCode.NOT_FOUND),
    ((GitopsSettingsError, ProbeError), "", ExitCode.USAGE),
    ((UnmanagedError,), "", ExitCode.UNMANAGED),
    ((ContestedError,), "", ExitCode.CONTESTED),
    ((NotAllowedError, PushRefusedError), "", ExitCode.REFUSED),
    ((GitopsError,), "", ExitCode.FAILED),
    ((KubeConfigError,), "set KUBECONFIG", ExitCode.USAGE),
    ((KubeRefusedError,), "kubectl auth whoami says who asks", ExitCode.REFUSED),
    ((KubeNotFoundError,), "", ExitCode.NOT_FOUND),
    ((KubeUnavailableError,), "try again when the cluster answers", ExitCode.UNAVAILABLE),
    (
        (ForgeLoginError, ForgeReachError, ForgeForbiddenError),
        f"look at the file that {Env.FORGE_CREDENTIALS_FILE} names",
        ExitCode.REFUSED,
    ),
    ((ForgeUnavailableError,), "try again when the forge is back", ExitCode.UNAVAILABLE),
    ((KubeError, CallError, GitError), "", ExitCode.FAILED),
)
"""Errors, what to do next where they do not say so themselves, exit codes. The first that fits counts."""


@contextmanager
def told() -> Iterator[None]:
    """Errors of the rooms below as the command line's.

    Raises:
        CliError: whatever went wrong.
    """
    try:
        yield
    except (GitopsError, KubeError, CallError, GitError) as error:
        hint, code = next((hint, code) for kinds, hint, code in _ENDS if isinstance(error, kinds))
        raise CliError(str(error), error.hint if isinstance(error, GitopsError) else hint, code) from error
