"""The `Link` header's next page, and where a redirect leads: never to another place than ours. Pure.

Owns: which URL is asked next.
Leaves to others: asking (`session.py`).
"""

from __future__ import annotations

from urllib.parse import SplitResult, urljoin, urlsplit

from requests.utils import parse_header_links

from raibid.forge.credentials import place_of
from raibid.forge.errors import ForgeAnswerError


def next_page(asked: str, header: str) -> str:
    """The URL of the page after `asked`; empty after the last.

    Gitea names its pages by its public address (`[server] ROOT_URL`), which is another than the one inside the cluster:
    of a page that is somewhere else, but has the same path, the query alone is taken.

    Raises:
        ForgeAnswerError: it is somewhere else.
    """
    found = next((link.get("url", "") for link in parse_header_links(header) if link.get("rel") == "next"), "")
    if not found:
        return ""
    there, here = _parts(found), urlsplit(asked)
    if there is not None and place_of(there) == place_of(here):
        return found
    if there is not None and here.path.endswith(there.path) and there.path.count("/") > 1:
        return here._replace(query=there.query).geturl()
    raise ForgeAnswerError(f"GET {here._replace(query='').geturl()}: its next page is another place's")


def redirected(asked: str, location: str) -> str:
    """Where a redirect of `asked` leads, if that is the same place; else empty: it would see our credentials."""
    there = _parts(location, asked) if location else None
    return there.geturl() if there is not None and place_of(there) == place_of(urlsplit(asked)) else ""


def _parts(url: str, base: str = "") -> SplitResult | None:
    try:
        parts = urlsplit(urljoin(base, url))
        place_of(parts)
    except ValueError:
        return None
    return parts
