"""Following the ledger's transitions: in order, each once, and a gap is seen."""

from __future__ import annotations

from raibid.ledger import Ledger, NewJob
from raibid.model.job import JobSpec, JobStatus

SPEC = JobSpec(repo="acme/anvil", clone_url="https://git.example.test/acme/anvil.git", ref="refs/heads/main")


def built(ledger: Ledger, dedupe: str = "one") -> str:
    ledger.enqueue([NewJob(spec=SPEC, dedupe=dedupe)])
    claim = ledger.claim("agent")
    assert claim is not None
    ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    return claim.job.id


def test_a_follower_sees_every_transition_in_order(ledger: Ledger) -> None:
    job = built(ledger)
    seen = list(ledger.events.after("0-0"))
    assert {one.job for one in seen} == {job}
    assert [one.to for one in seen] == ["waiting", "queued", "running", "success"]
    assert [one.came_from for one in seen] == ["", "waiting", "queued", "running"]
    assert seen[0].at <= seen[-1].at


def test_it_goes_on_where_it_stopped(ledger: Ledger) -> None:
    built(ledger)
    place = ledger.events.newest()
    assert list(ledger.events.after(place)) == []
    second = built(ledger, "two")
    assert {one.job for one in ledger.events.after(place)} == {second}


def test_more_transitions_than_one_reply_holds_are_all_read(ledger: Ledger) -> None:
    ledger.enqueue([NewJob(spec=SPEC, dedupe=str(i)) for i in range(1_100)])
    created = [one for one in ledger.events.after("0-0") if one.event == "create"]
    assert len(created) == 1_100


def test_an_empty_stream_has_a_place_and_no_gap(ledger: Ledger) -> None:
    assert ledger.events.newest() == "0-0"
    assert not ledger.events.missed("0-0")


def test_a_gap_is_seen_and_only_a_gap(ledger: Ledger) -> None:
    built(ledger)
    early = ledger.events.newest()
    built(ledger, "two")
    assert not ledger.events.missed("0-0"), "nothing has ever left the stream"
    ledger.client.xtrim(ledger.keys.events, maxlen=2, approximate=False)
    assert ledger.events.missed(early)
    assert not ledger.events.missed(ledger.events.newest())


def test_cursors_are_kept_by_follower_and_name(ledger: Ledger) -> None:
    ledger.events.move("notify", "team", "5-0")
    ledger.events.move("notify", "ops", "6-0")
    ledger.events.move("other", "team", "7-0")
    assert ledger.events.cursors("notify") == {"team": "5-0", "ops": "6-0"}
    ledger.events.leave("notify", ["team"])
    assert ledger.events.cursors("notify") == {"ops": "6-0"}
    built(ledger)  # the scripts read the same hash
    assert ledger.events.cursors("notify") == {"ops": "6-0"}
