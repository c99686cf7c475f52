"""What the stack tells its own commands: one JSON object on stdin, so that no password is an argument.

Owns: reading it, the words when it is none.
Leaves to others: each order's shape (`image.build`, `gitea_setup`, `commit_status`), carrying it out.
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

Order = TypeVar("Order", bound=BaseModel)


class OrderError(Exception):
    """Stdin holds no such order; its values are never repeated. `hint` says who sends it."""

    code = 2

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def read_order(kind: type[Order], text: str, sender: str) -> Order:
    """The order in `text`, which `sender` (a file of this program) composes.

    Raises:
        OrderError: it is none.
    """
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "stdin"
        raise OrderError(f"{where}: {first['msg']}", f"stdin takes what {sender} sends") from None
