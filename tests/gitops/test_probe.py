"""Probes: what is asked, and what is wrong with the answer."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from hypothesis import given
from raibid.gitops.errors import ProbeError
from raibid.gitops.objects import Ref
from raibid.gitops.settings import GitopsSettings, Timeouts
from raibid.gitops.watch.cel_probe import CelProbe
from raibid.gitops.watch.follow import claim_of, follow
from raibid.gitops.watch.outcome import Outcome
from raibid.gitops.watch.probe import HttpProbe

from tests.gitops.flux_fake import APPS, WEB, FakeFlux
from tests.gitops.history import NEW
from tests.gitops.junk import JUNK
from tests.http_server import HttpServer


class Page(HttpServer):
    """Answers with one status and body; `after`: only from that request on, until then with 503."""

    def __init__(self, status: int, body: bytes = b"", *, after: int = 0) -> None:
        self.status, self.body, self.after, self.asked = status, body, after, 0

    def handler(self) -> type[BaseHTTPRequestHandler]:
        page = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page.asked += 1
                self.send_response(503 if page.asked <= page.after else page.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(page.body)))
                self.end_headers()
                self.wfile.write(page.body)

            def log_message(self, *_: object) -> None:
                pass

        return Answer


def wrong(probe: HttpProbe | CelProbe, **objects: Any) -> str:
    return probe.wrong(lambda ref: objects.get(ref.name))


def test_the_wanted_status_is_right() -> None:
    with Page(204) as page:
        assert wrong(HttpProbe(url=page.url, status=204)) == ""


def test_another_status_is_wrong() -> None:
    with Page(500) as page:
        assert wrong(HttpProbe(url=page.url)) == f"GET {page.url}: status 500, not 200"


def test_a_redirect_is_not_followed() -> None:
    with Page(302) as page:
        assert "status 302" in wrong(HttpProbe(url=page.url))
        assert page.asked == 1


@pytest.mark.parametrize(("body", "right"), [("ready", True), ("degraded", False)])
def test_the_body_has_to_contain_what_was_asked_for(body: str, right: bool) -> None:
    with Page(200, b"I am ready") as page:
        assert (wrong(HttpProbe(url=page.url, body=body)) == "") is right


def test_nobody_there_is_wrong_and_no_error() -> None:
    with Page(200) as page:
        url = page.url
    assert "ConnectError" in wrong(HttpProbe(url=url))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://host", "http:///nobody", "nothing"])
def test_only_http_is_asked(url: str) -> None:
    with pytest.raises(ProbeError):
        HttpProbe(url=url)


DEPLOYMENT = {"kind": "Deployment", "metadata": {"name": "web"}, "status": {"readyReplicas": 2}}


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("status.readyReplicas >= 2", ""),
        ("self.status.readyReplicas == 2 && metadata.name == 'web'", ""),
        ("status.readyReplicas > 2", "status.readyReplicas > 2 is"),
        ("status.availableReplicas > 0", "status.availableReplicas > 0: "),
        ("status.readyReplicas", "status.readyReplicas is"),
    ],
    ids=["a field", "all of it", "untrue", "not there yet", "no truth"],
)
def test_an_expression_has_to_be_true_of_the_object(expression: str, why: str) -> None:
    found = wrong(CelProbe(WEB, expression), web=DEPLOYMENT)
    assert found.startswith(why)
    assert bool(found) is bool(why)


def test_an_expression_about_nothing_is_wrong() -> None:
    assert wrong(CelProbe(WEB, "true")) == "Deployment/demo/web does not exist"


def test_what_is_no_expression_is_refused_at_once() -> None:
    with pytest.raises(ProbeError):
        CelProbe(WEB, "status.readyReplicas >=")


@given(status=JUNK)
def test_an_expression_over_junk_is_an_answer(status: Any) -> None:
    manifest = {"kind": "Thing", "metadata": {"name": "thing"}, "status": status}
    probe = CelProbe(Ref("example.org", "Thing", "", "thing"), "status.conditions.exists(c, c.type == 'Ready')")
    assert isinstance(wrong(probe, thing=manifest), str)


def test_a_probe_is_asked_again_until_it_is_right() -> None:
    flux = FakeFlux()
    flux.fetch(NEW)
    flux.apply("apps", NEW)
    with Page(200, after=2) as page:
        probe = HttpProbe(url=page.url, repeat=0.01)
        result = follow(flux.cluster, [claim_of(APPS)], NEW, settings=GitopsSettings(), probes=[probe])
        assert page.asked == 3
    assert result.healthy


def test_a_probe_that_stays_wrong_is_not_healthy_when_its_time_is_over() -> None:
    flux = FakeFlux()
    flux.fetch(NEW)
    flux.apply("apps", NEW)
    hasty = GitopsSettings(timeouts=Timeouts(health=0.1))
    result = follow(flux.cluster, [claim_of(APPS)], NEW, settings=hasty, probes=[CelProbe(WEB, "status.replicas > 9")])
    assert (result.outcome, result.timed_out) == (Outcome.NOT_HEALTHY, True)
    assert result.message.startswith("status.replicas > 9 is")
