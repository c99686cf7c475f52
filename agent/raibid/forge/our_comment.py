"""Which of a pull request's comments is ours to rewrite. Pure.

Owns: finding it, and the text with its marker.
Leaves to others: what it says (`comment.py`), writing it (the clients).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec


class Author(msgspec.Struct, frozen=True):
    """Who wrote it."""

    login: str


class Comment(msgspec.Struct, frozen=True):
    """A comment as both forges list it."""

    id: int
    body: str = ""
    user: Author | None = None

    @property
    def text(self) -> str:
        """As it was sent: a forge may have changed the ends of lines."""
        return self.body.replace("\r\n", "\n").strip()


def text_of(marker: str, body: str) -> str:
    """What is sent: the marker is not shown, and finds the comment again."""
    return f"{marker}\n{body}".replace("\r\n", "\n").strip()


def ours_of(comments: Iterable[Comment], marker: str, login: Callable[[], str]) -> list[Comment]:
    """Our comments with the marker, oldest first. A stranger who quotes it does not get us to write into theirs.

    There is one, unless a slow forge took a call that nobody heard an answer to after the next one.
    `login`: who we are, which may cost a question.
    """
    marked = [comment for comment in comments if marker in comment.body and comment.user is not None]
    us = login().lower() if marked else ""
    return [comment for comment in marked if comment.user and comment.user.login.lower() == us]
