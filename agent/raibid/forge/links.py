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

    Gitea names its pages by its public address (`[server] ROOT_URL`), which is another than the one inside the cluster,
    perhaps with a path of its own before the API's: of a page that is somewhere else, but whose path ends as ours or
    ours as its, the query alone is taken.

    Raises:
        ForgeAnswerError: it is somewhere else.
    """
    found = next((link.get("url", "") for link in parse_header_links(header) if link.get("rel") == "next"), "")
    if not found:
        return ""
    there, here = parts_of(found), urlsplit(asked)
    if there is not None and place_of(there) == place_of(here):
        return found
    if there is not None and _ends_alike(here.path, there.path):
        return here._replace(query=there.query).geturl()
    raise ForgeAnswerError(f"GET {here._replace(query='').geturl()}: its next page is another place's")


def redirected(asked: str, location: str) -> str:
    """Where a redirect of `asked` leads, if that is the same place; else empty: it would see our credentials."""
    there = parts_of(location, asked) if location else None
    return there.geturl() if there is not None and place_of(there) == place_of(urlsplit(asked)) else ""


def _ends_alike(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return longer.endswith(shorter) and shorter.count("/") > 1


def parts_of(url: str, base: str = "") -> SplitResult | None:
    """A stranger's URL; None: it is none."""
    try:
        parts = urlsplit(urljoin(base, url))
        place_of(parts)
    except ValueError:
        return None
    return parts
