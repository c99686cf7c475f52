"""The form of a mirror's settings page: what is success, and what only looks like it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

import pytest
from raibid.forge.credentials import Login
from raibid.forge.errors import CallError, ForgeLoginError
from raibid.forge.gitea.mirror_form import MirrorForm
from raibid.forge.gitea.mirrors import Held

from tests.http_server import HttpServer

HELD = Held(id=1, full_name="acme/anvil", mirror=True, original_url="https://github.com/acme/anvil")
PAGE = b"""<form method="post"><input name="action" value="mirror"><input name="mirror_address" value="x"></form>"""


@dataclass
class Pages(HttpServer):
    """Gitea's: where each form leads to, and what was sent to it."""

    onward: dict[str, str] = field(
        default_factory=lambda: {"/user/login": "/", "/acme/anvil/settings": "/acme/anvil/settings"}
    )
    sent: list[str] = field(default_factory=list)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Bound", (_Handler,), {"pages": self})


class _Handler(BaseHTTPRequestHandler):
    pages: ClassVar[Pages]

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def do_POST(self) -> None:
        self.pages.sent.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        onward = self.pages.onward[self.path]
        self.send_response(303 if onward else 200)
        if onward:
            self.send_header("Location", onward)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def pages() -> Iterator[Pages]:
    with Pages() as pages:
        yield pages


def give(pages: Pages) -> None:
    with MirrorForm(pages.url, Login("raibid", "password")) as form:
        form.set_token(HELD, "new-token")


@pytest.mark.parametrize("onward", ["/acme/anvil/settings", "/gitea/acme/anvil/settings", "/Acme/Anvil/settings"])
def test_gitea_leads_back_to_the_settings_when_it_took_them(pages: Pages, onward: str) -> None:
    pages.onward["/acme/anvil/settings"] = onward
    give(pages)
    assert "mirror_password=new-token" in pages.sent[-1]


@pytest.mark.parametrize(
    "onward", ["", "/", "/user/login", "https://git.example.test/acme/anvil/settings", "/acme/other/settings", "http://["]
)  # fmt: skip
def test_any_other_answer_is_not_taken_for_success(pages: Pages, onward: str) -> None:
    pages.onward["/acme/anvil/settings"] = onward
    with pytest.raises(CallError):
        give(pages)


@pytest.mark.parametrize(
    "onward",
    ["", "/user/login", "/user/two_factor", "/user/webauthn", "/user/settings/change_password", "http://[",
     "https://git.example.test/"],
)  # fmt: skip
def test_nobody_is_logged_in_who_is_sent_elsewhere_and_no_token_is_given(pages: Pages, onward: str) -> None:
    pages.onward["/user/login"] = onward
    with pytest.raises(ForgeLoginError):
        give(pages)
    assert "new-token" not in " ".join(pages.sent)
