"""`raibid api`, `raibid agent`: the parts of the pool as processes. Their settings come from the environment."""

from __future__ import annotations

from pathlib import Path

from raibid.cli.errors import CliError
from raibid.cli.output import PLAIN, Output
from raibid.contract import ExitCode


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
    from raibid.forge import EnrolmentError
    from raibid.store import StoreError

    remedy = "`raibid up` makes all of it; docs/cli.md lists the variables"
    try:
        serve(Settings.load(), host=host, port=port, port_file=port_file)
    except (SettingsError, EnrolmentError, StoreError, ValueError) as error:
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
