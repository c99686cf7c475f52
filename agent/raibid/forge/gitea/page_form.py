"""A form of one of Gitea's pages, as a browser would send it back untouched. Pure.

Owns: which of a page's forms it is, what each field holds.
Leaves to others: getting the page, what is changed before it is sent (`mirror_form.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser


def form_of(page: str, action: str) -> dict[str, str] | None:
    """The fields of the form whose hidden field `action` has that value; None: the page has no such form."""
    reader = _Reader()
    reader.feed(page)
    return next((form for form in reader.forms if form.get("action") == action), None)


class _Reader(HTMLParser):
    """All forms of a page; of their fields inputs alone, since Gitea's settings of a mirror have no others."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "form":
            self.forms.append({})
            self._inside = True
        elif tag == "input" and self._inside:
            field = dict(attrs)
            if (name := field.get("name")) and _is_sent(field):
                self.forms[-1][name] = field.get("value") or ("on" if field.get("type") == "checkbox" else "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


def _is_sent(field: Mapping[str, str | None]) -> bool:
    return field.get("type") not in ("checkbox", "radio") or "checked" in field
