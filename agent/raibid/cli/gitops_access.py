"""What the GitOps commands need from outside: the cluster, the settings, credentials; and their errors as exit codes.

Owns: where each is found, the last word about each error.
Leaves to others: what is done with them (`gitops_*.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raibid.cli.errors import CliError
from raibid.contract import Env, ExitCode
from raibid.forge.errors import CallError, ForgeForbiddenError, ForgeLoginError, ForgeReachError, ForgeUnavailableError
from raibid.git.errors import GitError
from raibid.gitops.errors import GitopsError, GitopsSettingsError, NoFileError, NotAllowedError, UnknownKindError
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


@contextmanager
def told() -> Iterator[None]:
    """Errors of the rooms below as the command line's.

    Raises:
        CliError: whatever went wrong.
    """
    try:
        yield
    except (UnknownKindError, NoFileError) as error:
        raise CliError(str(error), error.hint, ExitCode.NOT_FOUND) from error
    except GitopsSettingsError as error:
        raise CliError(str(error), error.hint, ExitCode.USAGE) from error
    except NotAllowedError as error:
        raise CliError(str(error), error.hint, ExitCode.REFUSED) from error
    except GitopsError as error:
        raise CliError(str(error), error.hint) from error
    except KubeConfigError as error:
        raise CliError(str(error), "set KUBECONFIG", ExitCode.USAGE) from error
    except KubeRefusedError as error:
        raise CliError(str(error), "kubectl auth whoami says who asks", ExitCode.REFUSED) from error
    except KubeNotFoundError as error:
        raise CliError(str(error), code=ExitCode.NOT_FOUND) from error
    except KubeUnavailableError as error:
        raise CliError(str(error), "try again when the cluster answers", ExitCode.UNAVAILABLE) from error
    except (ForgeLoginError, ForgeReachError, ForgeForbiddenError) as error:
        hint = f"look at the file that {Env.FORGE_CREDENTIALS_FILE} names"
        raise CliError(str(error), hint, ExitCode.REFUSED) from error
    except ForgeUnavailableError as error:
        raise CliError(str(error), "try again when the forge is back", ExitCode.UNAVAILABLE) from error
    except (KubeError, CallError, GitError) as error:
        raise CliError(str(error)) from error
