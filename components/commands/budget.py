"""`components budget`: what each system takes of each node, and what agents get.

Owns: its options; which of table, JSON and picture is wanted.
Leaves to others: the proof (`components.budget`), the drawing (`budget.view`, `budget.svg`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

from components.budget import Budget, BudgetError
from components.budget.svg import draw
from components.budget.view import headline, ledger_table, profiles_table, to_json
from components.commands.terminal import PLAIN, USAGE, CommandError, Flag, Output, line, show
from components.settings import Profile, Settings, SettingsError, load_stack, notices, with_profile
from components.systems import budget_of


def budget(
    *,
    stack: str,
    profile: Profile | None = None,
    profiles: Annotated[bool, Flag] = False,
    svg: Path | None = None,
    output: Output = PLAIN,
) -> int:
    """Show what each system takes of each node and what agents get; fails, with the sum, when that does not fit.

    For example:
      python -m components budget --stack dgx-spark
      python -m components budget --stack dgx-spark --profile conservative
      python -m components budget --stack dgx-spark --profiles
      python -m components budget --stack dgx-spark --svg docs/images/budget-dgx-spark.svg
      python -m components budget --stack dgx-spark --json | jq .agents.maximum

    Parameters
    ----------
    stack
        Whose settings: Pulumi.<stack>.yaml.
    profile
        As if the stack had this profile.
    profiles
        All profiles side by side.
    svg
        Write the picture to this file too.
    """
    if profiles and (profile or svg):
        raise CommandError("--profiles compares all of them", "leave --profile and --svg out", USAGE)
    settings = load_stack(stack)
    if profiles:
        _compare(stack, settings, output)
        return 0
    if profile:
        settings = with_profile(settings, profile)
    proved = budget_of(settings)
    if svg:
        _write(svg, draw(stack, proved))
        output.say(f"wrote {svg}")
    if output.json:
        output.emit(to_json(stack, proved))
        return 0
    line(f"{stack}: {headline(proved)}", "bold")
    for ledger in proved.ledgers:
        show(ledger_table(ledger))
    for notice in notices(settings):
        output.say(notice)
    return 0


def _compare(stack: str, settings: Settings, output: Output) -> None:
    found: dict[str, Budget | str] = {name: _proved(settings, name) for name in get_args(Profile)}
    if output.json:
        output.emit(
            {name: {"error": each} if isinstance(each, str) else to_json(stack, each) for name, each in found.items()}
        )
        return
    show(profiles_table(found))


def _proved(settings: Settings, profile: Profile) -> Budget | str:
    """The budget with a profile, or why the stack cannot have it."""
    try:
        return budget_of(with_profile(settings, profile))
    except SettingsError as error:
        return "; ".join(f"{problem.path} {problem.rule}" for problem in error.problems)
    except BudgetError as error:
        return str(error).partition("\n")[0]


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", "choose another file with --svg") from error
