"""`components graph`: the stack as a picture.

Owns: which format, where it goes.
Leaves to others: nodes and arrows (`graph.model`), drawing (`graph.svg`).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Literal

from components.commands.terminal import PLAIN, CommandError, Output, write
from components.graph import model
from components.graph.svg import svg
from components.settings import load_stack


def graph(
    *,
    stack: str,
    format: Literal["mermaid", "svg"] = "mermaid",  # noqa: A002  (the option's name)
    out: Path | None = None,
    output: Output = PLAIN,
) -> int:
    """Draw the systems of a stack, who owns them and what flows between them.

    For example:
      python -m components graph --stack dgx-spark
      python -m components graph --stack dgx-spark --format svg --out docs/images/stack-dgx-spark.svg
      python -m components graph --stack local --json

    Parameters
    ----------
    stack
        Whose settings: Pulumi.<stack>.yaml.
    format
        mermaid: text for Markdown. svg: a picture.
    out
        A file; without it the terminal.
    """
    drawn = model.graph(load_stack(stack))
    if output.json:
        output.emit(asdict(drawn))
        return 0
    text = svg(drawn) if format == "svg" else model.mermaid(drawn)
    if out is None:
        write(text)
        return 0
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{out}: {error.strerror}", "choose another file with --out") from error
    output.say(f"{out}: {len(drawn.nodes)} systems, {len(drawn.arrows)} flows")
    return 0
