"""`raibid version`, `raibid completion`: about the command itself."""

from __future__ import annotations

from typing import Literal

from raibid import __version__
from raibid.cli.output import PLAIN, Output, line, write


def version(*, output: Output = PLAIN) -> None:
    """Print the version of raibid.

    For example:
      raibid version --json
    """
    if output.json:
        output.emit({"version": __version__})
    else:
        line(f"raibid {__version__}")


def completion(shell: Literal["bash", "zsh", "fish"], /, *, output: Output = PLAIN) -> None:
    """Print the completion script of a shell.

    For example:
      raibid completion bash > ~/.local/share/bash-completion/completions/raibid
      raibid completion zsh > "${fpath[1]}/_raibid"
      raibid completion fish > ~/.config/fish/completions/raibid.fish

    Parameters
    ----------
    shell
        bash, zsh or fish.
    """
    from raibid.cli.main import build_app  # the table imports this module by name, not the other way round

    script = build_app().generate_completion(shell=shell)
    if output.json:
        output.emit({"shell": shell, "script": script})
    else:
        write(script + "\n")
