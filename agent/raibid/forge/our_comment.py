"""Our comment at a pull request: which of them is ours to rewrite, and rewriting it; both forges' API is the same.

Owns: finding it, the text with its marker, writing it once.
Leaves to others: what it says (`comment.py`), renamed repositories (the clients).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

import msgspec

from raibid.forge.alike import User, home
from raibid.forge.errors import ForgeNotFoundError
from raibid.forge.session import Session


class Comment(msgspec.Struct, frozen=True):
    """A comment as both forges list it."""

    id: int
    body: str = ""
    user: User | None = None

    @property
    def text(self) -> str:
        """As it was sent: a forge may have changed the ends of lines."""
        return self.body.replace("\r\n", "\n").strip()


def text_of(marker: str, body: str) -> str:
    """What is sent: the marker is not shown, and finds the comment again."""
    return f"{marker}\n{body}".replace("\r\n", "\n").strip()


def ours_of(comments: Iterable[Comment], marker: str, login: Callable[[], str]) -> list[Comment]:
    """Our comments, which begin with the marker, oldest first. A stranger's that does so too is none of them; and none
    is what a person wrote about the marker, whose token we may have.

    There is one, unless a slow forge took a call that nobody heard an answer to after the next one.
    `login`: who we are, which may cost a question.
    """
    marked = [comment for comment in comments if comment.text.startswith(marker) and comment.user is not None]
    us = login().lower() if marked else ""
    return [comment for comment in marked if comment.user and comment.user.login.lower() == us]


def upsert(
    session: Session, repository: str, number: int, marker: str, body: str, *, login: Callable[[], str],
    rewrite_only: bool = False, query: str = "",
) -> None:  # fmt: skip
    """Write our comment at a pull request, or rewrite it. `query`: how the list of comments is asked for.

    Raises:
        CallError: the forge refused, or did not answer; again is harmless.
    """
    path, text = f"{home(repository)}/issues", text_of(marker, body)
    pages = session.pages(f"{path}/{number}/comments{query}", list[Comment])
    ours = ours_of((comment for page in pages for comment in page), marker, login)
    if not ours and not rewrite_only:
        session.do("POST", f"{path}/{number}/comments", {"body": text})
    elif ours and ours[0].text != text:
        session.do("PATCH", f"{path}/comments/{ours[0].id}", {"body": text})
    for late in ours[1:]:
        with suppress(ForgeNotFoundError):  # what matters is that it is gone
            session.do("DELETE", f"{path}/comments/{late.id}")
