"""`raibid gitops controller`: the rollback controller as a process. Its settings come from the environment."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from cyclopts import Parameter

from raibid.cli.errors import CliError
from raibid.cli.output import PLAIN, Output, write
from raibid.cli.readable import readable
from raibid.contract import Env, ExitCode

if TYPE_CHECKING:
    from raibid.gitops.rollback.telling import Told

_EVERY: Final = 45.0


def controller(
    *,
    host: str = "127.0.0.1",
    port: int = 8470,
    port_file: Path | None = None,
    namespace: str = "",
    releases_in: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    every: float = _EVERY,
    output: Output = PLAIN,
) -> None:
    """Take back commits that Flux cannot apply, until SIGTERM or Ctrl-C.

    Needs a service account, or KUBECONFIG; a login for the forge; the key that Flux signs its alerts with. One is
    enough, two do no harm. With --json one document per line.

    For example:
      RAIBID_ROLLBACK_TOKEN_FILE=token RAIBID_FORGE_CREDENTIALS_FILE=forge raibid gitops controller
      raibid gitops controller --host 0.0.0.0 --releases-in keda --every 30 --json

    Parameters
    ----------
    host
        Address to listen on for Flux's alerts; 0.0.0.0 for all.
    port
        Port to listen on; 0 for any free one.
    port_file
        Written with the port once alerts are taken.
    namespace
        Whose Kustomizations and HelmReleases are looked after; else RAIBID_NAMESPACE, else flux-system.
    releases_in
        Another namespace with HelmReleases; may be given several times.
    every
        Seconds between two looks when no alert comes.
    """
    from raibid.cli.gitops_access import cluster, credentials, settings, told
    from raibid.gitops.rollback.controller_settings import NAMESPACE, ControllerSettings
    from raibid.gitops.rollback.process import run

    token = os.environ.get(Env.ROLLBACK_TOKEN_FILE, "")
    if not token:
        hint = f"set {Env.ROLLBACK_TOKEN_FILE} to a file with the `token` of Flux's Provider"
        raise CliError("nothing says what Flux signs its alerts with", hint, ExitCode.USAGE)
    if every <= 0:
        raise CliError(f"--every {every:g}: must be more than 0", "45 is the default", ExitCode.USAGE)

    def tell(line: Told) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        if output.json:
            said = {"at": at, "kind": line.kind, "about": line.about, "message": line.message}
            write(msgspec.json.encode(said).decode() + "\n")
        else:
            write(readable(f"{at} {line.kind} {line.about}: {line.message}") + "\n")

    def listening(number: int) -> None:
        if port_file:
            partial = port_file.with_name(f"{port_file.name}.partial")
            partial.write_text(f"{number}\n", encoding="ascii")
            partial.replace(port_file)

    with told(), cluster() as connected:
        asked = ControllerSettings(
            gitops=settings(),
            credentials=credentials(),
            namespace=namespace or os.environ.get(Env.NAMESPACE) or NAMESPACE,
            releases=releases_in,
            every=every,
        )
        run(asked, connected, Path(token), tell, host=host, port=port, listening=listening)
