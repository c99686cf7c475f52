"""JUnit files as nextest and pytest write them, and as nobody should."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.model.report import Case
from raibid.worker import junit
from raibid.worker.errors import ReportError

FIXTURES = Path(__file__).parent / "fixtures" / "junit"
INVALID = sorted((FIXTURES / "invalid").glob("*.xml"))
NEXTEST = (FIXTURES / "valid" / "nextest.xml").read_bytes()


def cases(name: str) -> dict[str, tuple[str, Case]]:
    return {case.name: (outcome, case) for outcome, case in junit.read((FIXTURES / "valid" / name).read_bytes())}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"<testsuite %s/>" % b" ".join(b'a%x=""' % n for n in range(300_000)), "a tag of more than 2 MiB"),
        (b"<testsuite>%s</testsuite>" % (b'<a b="" c="" d=""/>' * 140_000), "more than 400,000 attributes"),
    ],
    ids=["one-tag", "many-tags"],
)
def test_attributes_are_bounded(document: bytes, words: str) -> None:
    with pytest.raises(ReportError, match=words):
        list(junit.read(document))


def test_a_tests_long_output_is_no_tag() -> None:
    said = b"x" * (3 << 20)
    document = b"<testsuite><testcase><system-out>%s<![CDATA[%s]]></system-out></testcase></testsuite>" % (said, said)
    assert len(list(junit.read(document))) == 1


def test_every_end_of_a_line_is_not_a_piece_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """15 MiB of them had cost 221 MiB."""
    pieces: list[int] = []
    monkeypatch.setattr(junit._Bounded, "text", lambda _, data: pieces.append(len(data)))
    list(junit.read(b"<testsuite>%s</testsuite>" % (b"\n" * 100_000)))
    assert sum(pieces) == 100_000
    assert len(pieces) < 100


def test_nextests_outcomes_are_told_apart() -> None:
    found = {name: outcome for name, (outcome, _) in cases("nextest.xml").items()}
    assert found == {
        "forge::tests::heats": "passed",
        "forge::tests::strikes_twice": "failed",
        "quench::tests::cools_at_the_second_try": "flaky",
        "quench::tests::must_not_be_flaky": "failed",
        "temper::tests::never_ends": "failed",
        "temper::tests::is_slow": "passed",
        "prints_help": "failed",
        "aborts": "failed",
    }


def test_a_file_that_nextest_wrote_says_what_nextest_said() -> None:
    """`2 passed (1 flaky), 4 failed, 1 timed out, 1 skipped`: ignored tests are not in its file."""
    found = cases("nextest-0.9.151-recorded.xml")
    assert {name: outcome for name, (outcome, _) in found.items()} == {
        "tests::heats": "passed",
        "tests::returns_an_error": "failed",
        "tests::strikes_twice": "failed",
        "aborts": "failed",
        "cools_at_the_second_try": "flaky",
        "must_not_be_flaky": "failed",
        "never_ends": "failed",
    }
    assert {name: case.message.splitlines()[-1] for name, (outcome, case) in found.items() if outcome == "failed"} == {
        "tests::returns_an_error": 'Error: "too hot"',
        "tests::strikes_twice": "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
        "aborts": "process aborted with signal 6 (SIGABRT)",
        "must_not_be_flaky": "test passed on attempt 2/2 but is configured to fail when flaky",
        "never_ends": "tempering at 250 degrees",
    }


def test_a_retry_counts_as_a_run_whether_it_helped_or_not() -> None:
    runs = {name: case.runs for name, (_, case) in cases("nextest.xml").items() if case.runs > 1}
    assert runs == {
        "forge::tests::strikes_twice": 2,
        "quench::tests::cools_at_the_second_try": 2,
        "quench::tests::must_not_be_flaky": 2,
        "temper::tests::never_ends": 2,
    }


def test_a_panics_message_is_told_whole_and_once() -> None:
    _, case = cases("nextest.xml")["forge::tests::strikes_twice"]
    assert case.message.startswith("thread 'forge::tests::strikes_twice' panicked at src/forge.rs:41:9:\nassertion")
    assert case.message.count("panicked") == 1
    assert (case.suite, case.seconds) == ("anvil", 0.204)


def test_a_timeout_says_what_it_is_and_the_tests_last_words() -> None:
    _, case = cases("nextest.xml")["temper::tests::never_ends"]
    assert case.message == "test timeout\nrunning 1 test\ntempering at 250 degrees"


def test_a_headline_that_the_text_does_not_repeat_goes_before_it() -> None:
    _, case = cases("pytest.xml")["test_waves"]
    assert case.message.startswith("AssertionError: assert 'hi' == 'hello'\n")
    assert case.message.endswith("tests/test_greeter.py:9: AssertionError")


def test_pytests_skips_and_expected_failures_are_skipped() -> None:
    assert Counter(outcome for outcome, _ in cases("pytest.xml").values()) == {"passed": 1, "failed": 1, "skipped": 2}


def test_suites_in_suites_and_odd_times_are_read() -> None:
    found = cases("one-suite-as-root.xml")
    assert {name: case.seconds for name, (_, case) in found.items()} == {"a": 1234.5, "b": 0.0, "(no name)": 0.0}
    assert found["a"][1].suite == "outer"
    assert found["b"][1].suite == "c"


def test_a_report_without_tests_is_one() -> None:
    assert cases("no-tests.xml") == {}


REASONS = {
    "a-page": "not well-formed XML: syntax error, line 1",
    "another-format": "not a JUnit report: its root is neither testsuites nor testsuite",
    "cut-off": "not well-formed XML: no element found, line 1",
    "doctype-elsewhere": "it has a DOCTYPE, which no JUnit report needs",
    "doctype-with-an-entity-bomb": "it has a DOCTYPE, which no JUnit report needs",
    "doctype-with-an-external-entity": "it has a DOCTYPE, which no JUnit report needs",
    "empty": "not well-formed XML: no element found, line 1",
    "not-utf-8": "not well-formed XML: not well-formed (invalid token), line 1",
    "too-deep": "elements are nested more than 20 levels deep",
    "unknown-encoding": "not readable XML: unknown encoding: klingon",
}


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_what_is_no_safe_junit_report_is_refused_with_its_reason(path: Path) -> None:
    with pytest.raises(ReportError) as refused:
        list(junit.read(path.read_bytes()))
    assert str(refused.value) == REASONS[path.stem]


def test_a_document_type_is_refused_in_every_encoding() -> None:
    bomb = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]><testsuites>&b;</testsuites>'
    with pytest.raises(ReportError, match="DOCTYPE"):
        list(junit.read(bomb.encode("utf-16")))


def test_more_elements_than_a_build_has_tests_are_refused_before_they_are_built() -> None:
    many = b"<testsuites>" + b"<a/>" * (junit.MOST_ELEMENTS + 1) + b"</testsuites>"
    with pytest.raises(ReportError, match="more than 200,000 elements"):
        list(junit.read(many))


@given(
    st.binary(max_size=200)
    | st.integers(0, len(NEXTEST)).map(lambda cut: NEXTEST[:cut])
    | st.tuples(st.integers(0, len(NEXTEST) - 1), st.binary(min_size=1, max_size=8)).map(
        lambda at: NEXTEST[: at[0]] + at[1] + NEXTEST[at[0] + len(at[1]) :]
    )
)
def test_any_bytes_are_a_report_or_one_reason(data: bytes) -> None:
    said = "a report"
    try:
        list(junit.read(data))
    except ReportError as refused:
        said = str(refused)
    assert said
