"""`python -m components`: everything the program can say without an engine.

Owns: the table of commands, the one place where errors become a sentence and an exit code.
Leaves to others: the commands (`components.commands`). They are named by import path, so that `--help` loads none of
them, nor what they need (pulumi alone takes 0.45 s).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

try:
    from cyclopts import App, CycloptsError, Group
except ModuleNotFoundError as missing:
    # The system's own python has none of what uv.lock names: the commonest first mistake deserves its sentence.
    sys.stderr.write(f"components: {missing}\n  next: make env && . .venv/bin/activate\n")
    sys.exit(2)

_NAME: Final = "python -m components"
_EPILOGUE: Final = """\
Examples:
  python -m components budget --stack dgx-spark     # what fits the machine
  python -m components render --stack dgx-spark --out build/fleet
  python -m components plan --stack dgx-spark       # the resource tree, without an engine
  python -m components up --stack local             # emit the Flux repository on this machine

Exit codes: 0 done, 1 failed, 2 wrong use or wrong settings, 130 interrupted.
"""

_LOOK: Final = Group.create_ordered("Look: nothing is changed, no engine, no network")
_DO: Final = Group.create_ordered("Do")
_OTHER: Final = Group.create_ordered("Other")

COMMANDS: Final[Sequence[tuple[Group, str, str, str]]] = (
    (_LOOK, "budget", "components.commands.budget:budget", "What each system takes of each node and what agents get."),
    (_LOOK, "render", "components.commands.render:render", "Write the Flux repository that `up` would push."),
    (_LOOK, "plan", "components.commands.plan:plan", "Run the whole program without an engine: resources and budget."),
    (_LOOK, "diff", "components.commands.diff:diff", "What a change does to the Flux repository and the budget."),
    (_LOOK, "graph", "components.commands.graph:graph", "Systems, owners and data flow as a picture."),
    (_LOOK, "lint", "components.commands.lint:lint", "Check a rendered tree against the policies."),
    (_LOOK, "summarize", "components.commands.summarize:summarize", "A preview's JSON as a review comment."),
    (_DO, "keys", "components.commands.keys:keys", "Create the stack's keys that are not there yet."),
    (_DO, "up", "components.commands.up:up", "Emit a stack: by Pulumi where it is, else by the same functions."),
    (
        _DO,
        "preview",
        "components.commands.preview:preview",
        "Preview a stack; fetches the Pulumi CLI if it is missing.",
    ),
    (_DO, "image", "components.commands.image:image", "Build and push the pool's images; what `up` runs."),
    (_DO, "push", "components.commands.push:push", "Push a tree to Git; what `up` runs, with the tree on stdin."),
    (_DO, "rotate", "components.commands.rotate:rotate", "Re-encrypt the tree's Secrets for new recipients."),
    (_DO, "gitea-setup", "components.commands.gitea_setup:gitea_setup", "Make Gitea's organisation, repository, hook."),
    (_DO, "commit-status", "components.commands.commit_status:commit_status", "Issue the token of Flux's reports."),
)
_NAMES: Final = [name for _, name, _, _ in COMMANDS]


def build_app(called: str = "") -> App:
    """The application. Only the `called` command is imported, to show its own help and not the table's line."""
    app = App(
        name=_NAME,
        help="The stack of raibid-ci: what it asks of a machine, the Flux repository it emits, its resources.",
        help_epilogue=None if called in _NAMES else _EPILOGUE,
        help_format="plaintext",
        version_flags=[],
        suppress_keyboard_interrupt=False,  # `run` says "interrupted"; cyclopts would exit without a word
    )
    app["--help"].group = _OTHER
    for group, name, path, help_ in COMMANDS:
        app.command(path, name=name, help=help_, group=group, sort_key=_NAMES.index(name))
        if name == called:
            app[name].help = None
    return app


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit."""
    try:
        code = run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (`| head`) went away, which is no error; Python's own flush at exit would complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command; its exit code. Errors are told on stderr, never as a traceback (but see RAIBID_DEBUG)."""
    try:
        app = build_app(next(iter(arguments), ""))
        result = app(
            list(arguments), exit_on_error=False, print_error=False, result_action="return_value", verbose=False
        )
        return result if isinstance(result, int) else 0
    except KeyboardInterrupt:
        return _tell("interrupted", "", 130)
    except CycloptsError as error:
        return _tell(str(error), " ".join([_NAME, *(error.command_chain or ()), "--help"]), 2)
    except BrokenPipeError:
        raise
    except SystemExit as error:
        # Rich ends the program with 1 when the reader went away; `main` knows better.
        if isinstance(error.__context__, BrokenPipeError):
            raise error.__context__ from None
        raise
    except Exception as error:  # the program's edge: what nobody foresaw still ends in a sentence
        if os.environ.get("RAIBID_DEBUG"):
            raise
        if type(error).__module__.partition(".")[0] in ("components", "policies"):
            # Foreign errors are translated where they happen: one of our own is one that somebody foresaw.
            return _tell(str(error), getattr(error, "hint", ""), getattr(error, "code", 1))
        return _tell(f"{type(error).__name__}: {error}", "RAIBID_DEBUG=1 shows where; please report it", 1)


def _tell(message: str, hint: str, code: int) -> int:
    sys.stderr.write(f"components: {message}\n")
    if hint:
        sys.stderr.write(f"  next: {hint}\n")
    return code


if __name__ == "__main__":
    main()
