"""`raibid api`, `raibid agent`, `raibid controller`: the parts of the pool as processes.

Their settings come from the environment.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from raibid.cli.errors import CliError
from raibid.cli.output import PLAIN, Output, write
from raibid.contract import Env, ExitCode

if TYPE_CHECKING:
    from raibid.controller.watching import ControllerEvent


def api(*, host: str = "127.0.0.1", port: int = 8460, port_file: Path | None = None, output: Output = PLAIN) -> None:
    """Run the webhook and job API until SIGTERM or Ctrl-C.

    For example:
      RAIBID_WEBHOOK_SECRETS_FILE=hook RAIBID_WRITE_TOKENS_FILE=tokens RAIBID_STORE=file:///var/lib/raibid raibid api

    Parameters
    ----------
    host
        Address to listen on; 0.0.0.0 for all.
    port
        Port to listen on; 0 for any free one.
    port_file
        Written with the port once requests are taken.
    """
    del output  # a service logs; there is nothing to answer
    from raibid.api.main import serve
    from raibid.api.settings import Settings, SettingsError
    from raibid.api.targets import TargetError
    from raibid.forge import EnrolmentError
    from raibid.store import StoreError

    remedy = "`raibid up` makes all of it; docs/cli.md lists the variables"
    try:
        serve(Settings.load(), host=host, port=port, port_file=port_file)
    except (SettingsError, EnrolmentError, TargetError, StoreError, ValueError) as error:
        raise CliError(str(error), remedy, ExitCode.USAGE) from error
    except OSError as error:
        raise CliError(f"cannot listen on {host}:{port}: {error.strerror}", "choose another --port") from error


def agent(*, output: Output = PLAIN) -> int:
    """Run an agent: claim one job, build it, report, exit. Exit code 0: it did its part, whatever became of the build.

    For example:
      RAIBID_REDIS_URL=redis://127.0.0.1:6379/0 RAIBID_STORE=file:///var/lib/raibid raibid agent
    """
    del output
    from raibid.worker.agent import main
    from raibid.worker.config import AgentConfig

    try:
        config = AgentConfig.from_env()
    except ValueError as error:
        raise CliError(f"the agent's settings: {error}", "docs/cli.md lists the variables", ExitCode.USAGE) from error
    return main(config)


def controller(*, scaler: Literal["keda", "direct"] = "keda", namespace: str = "", output: Output = PLAIN) -> None:
    """Watch the agents' pods in Kubernetes until SIGTERM or Ctrl-C: how they end, why they cannot start.

    Needs a service account, or KUBECONFIG; one is enough, two do no harm. With --json one document per line.

    For example:
      raibid controller
      raibid controller --scaler direct --namespace ci --json

    Parameters
    ----------
    scaler
        direct: create the agents' Jobs too, from the CronJob `ci-agent`; keda: KEDA does.
    namespace
        Where the agents' pods are; else RAIBID_NAMESPACE, else ci.
    """
    from raibid.controller.main import DEFAULT_NAMESPACE, Scaler, Settings, run
    from raibid.kube.errors import KubeConfigError
    from raibid.ledger import Ledger

    def tell(event: ControllerEvent) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        if output.json:
            line = {"at": at, "kind": event.kind, "about": event.about, "message": event.message}
            write(msgspec.json.encode(line).decode() + "\n")
        else:
            write(f"{at} {' '.join(filter(None, [event.kind, event.about]))}: {event.message}\n")

    where = namespace or os.environ.get(Env.NAMESPACE) or DEFAULT_NAMESPACE
    try:
        run(Settings(scaler=Scaler(scaler), namespace=where), Ledger.from_env(), tell)
    except KubeConfigError as error:
        raise CliError(
            str(error), "set KUBECONFIG, or run it in a pod with a service account", ExitCode.USAGE
        ) from error
    except (ValueError, OSError) as error:
        raise CliError(
            f"the controller's settings: {error}", "docs/cli.md lists the variables", ExitCode.USAGE
        ) from error
