"""Wished values: a commit is healthy when the live object has them, and not before."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.gitops.objects import Ref
from raibid.gitops.watch.follow import claim_of
from raibid.gitops.watch.outcome import Outcome, Result
from raibid.gitops.watch.wished import Wished, same_value

from tests.gitops.flux_fake import APPS, WEB, FakeFlux, followed, kustomization
from tests.gitops.history import NEW
from tests.gitops.junk import JUNK

CONFIG = Ref("", "ConfigMap", "demo", "web")
VARS = Ref("", "ConfigMap", "flux-system", "vars")
WISHED = Wished(CONFIG, {"data.LEVEL": "2"})


def config(level: str, ref: Ref = CONFIG, **metadata: Any) -> dict[str, Any]:
    about = {"name": ref.name, "namespace": ref.namespace, **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"LEVEL": level}}


def followed_wish(flux: FakeFlux, **how: Any) -> Result:
    claims = [claim_of(kustomization("vars"), edit=VARS), claim_of(APPS, edit=CONFIG)]
    return followed(flux, claims=claims, wished=[WISHED], **how)


def stage() -> FakeFlux:
    """`apps` was quicker than `vars`, whose variable it uses: it has applied the commit, with the old value."""
    flux = FakeFlux("apps", "vars")
    flux.cluster.put(config("1"))
    flux.cluster.put(config("2", VARS))
    flux.fetch(NEW).apply("apps", NEW).apply("vars", NEW)
    return flux


def test_an_applier_that_was_quicker_than_the_variable_is_asked_once_more() -> None:
    flux = stage()

    def apply() -> None:
        flux.cluster.put(config("2"))
        flux.apply("apps", NEW)

    flux.on_request = apply
    result = followed_wish(flux)
    assert (result.outcome, flux.asked) == (Outcome.HEALTHY, [APPS])


def test_nothing_is_healthy_while_the_variables_applier_has_not_applied_it() -> None:
    flux = stage()
    flux.fail("vars", NEW)
    result = followed_wish(flux)
    assert (result.outcome, result.object) == (Outcome.FAILING, kustomization("vars"))


def test_a_value_that_somebody_else_sets_again_is_not_healthy_and_says_who() -> None:
    flux = stage()
    fields: dict[str, Any] = {"f:data": {"f:LEVEL": {}}}
    flux.cluster.put(config("1", managedFields=[{"manager": "autoscaler", "fieldsV1": fields}]))
    flux.on_request = lambda: flux.apply("apps", NEW)
    result = followed_wish(flux)
    assert (result.outcome, result.object, result.timed_out) == (Outcome.NOT_HEALTHY, CONFIG, False)
    assert result.message == "data.LEVEL is '1', not '2' (set by autoscaler)"


def test_until_the_applier_has_tried_again_a_wrong_value_is_not_final() -> None:
    result = followed_wish(stage(), timeout=0.3)
    assert (result.outcome, result.timed_out) == (Outcome.NOT_HEALTHY, True)


def test_one_look_asks_nobody() -> None:
    flux = stage()
    assert followed_wish(flux, wait=False).outcome is Outcome.NOT_HEALTHY
    assert flux.asked == []


def test_an_object_that_is_not_there_is_not_as_wished() -> None:
    assert WISHED.wrong(None) == "ConfigMap/demo/web does not exist"


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
def test_values_of_secrets_and_of_the_discreet_are_told_to_nobody(kind: str) -> None:
    wish = Wished(Ref("", kind, "demo", "x"), {"data.PW": "hunter2"}, discreet=kind != "Secret")
    assert wish.wrong({"kind": kind, "data": {"PW": "hunter1"}}) == "data.PW is not what was asked for"


def test_a_secrets_text_is_found_where_the_api_server_puts_it() -> None:
    wish = Wished(Ref("", "Secret", "demo", "x"), {"stringData.PW": "hunter2"})
    secret = {"kind": "Secret", "data": {"PW": base64.b64encode(b"hunter2").decode()}}
    assert wish.wrong(secret) == ""
    assert wish.wrong({**secret, "data": {"PW": "?"}})


@pytest.mark.parametrize(
    ("wanted", "live", "quantity"),
    [
        ({"cpu": "1000m"}, {"cpu": "1"}, True),
        ({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "1024Mi"}}, False),
        ({"a": 1}, {"a": 1, "default": 2}, False),
        ([{"name": "web"}], [{"name": "web", "protocol": "TCP"}], False),
        (None, None, False),
    ],
)
def test_the_api_server_may_write_it_in_another_way(wanted: Any, live: Any, quantity: bool) -> None:
    assert same_value(wanted, live, quantity=quantity)


@pytest.mark.parametrize(
    ("wanted", "live"), [("1", 1), (True, 1), ("1", "1.0"), ([1], [1, 2]), ({"a": 1}, {}), ({"a": 1}, 1), (None, 0)]
)
def test_what_is_another_value_is_another_value(wanted: Any, live: Any) -> None:
    assert not same_value(wanted, live)


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_every_value_is_itself(value: Any) -> None:
    assert same_value(value, value)


@given(junk=JUNK)
def test_junk_is_an_answer(junk: Any) -> None:
    live = {"kind": "Secret", "data": junk, "spec": junk, "metadata": {"managedFields": junk}}
    wish = Wished(WEB, {"spec.limits.cpu": "1", "stringData.x": "y", "spec.replicas": 1})
    assert isinstance(wish.wrong(live), str)
