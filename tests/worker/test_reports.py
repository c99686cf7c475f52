"""Reports of a build: found, masked, cut to what a record may hold."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import quoteattr

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raibid.model.job import Report
from raibid.model.pipeline import Reports
from raibid.model.report import LIST_BYTES, MOST_ANNOTATIONS, MOST_LISTED, MOST_SLOWEST, SHORT_LIST_BYTES, Tested
from raibid.worker import reports
from raibid.worker.output import Output

FIXTURES = Path(__file__).parent / "fixtures" / "junit"
ALL = Reports(junit=("**/*.xml",), cargo=("**/*.json",))


class Silent:
    """A sink for a log nobody reads."""

    def step(self, name: str) -> None: ...

    def write(self, text: bytes) -> None: ...


def made(root: Path) -> reports.Place:
    (root / "checkout" / "src").mkdir(parents=True)
    (root / "checkout" / "src" / "lib.rs").write_text("")
    (root / "reports").mkdir()
    return reports.Place(checkout=root / "checkout", folder=root / "reports")


@pytest.fixture
def place(tmp_path: Path) -> reports.Place:
    return made(tmp_path)


def find(place: reports.Place, globs: Reports = ALL, secret: str = "") -> reports.Findings:
    return reports.find(place, globs, Output(Silent(), [secret] if secret else []).masked)


def junit(*cases: str) -> str:
    return f"<testsuites><testsuite name='s'>{''.join(cases)}</testsuite></testsuites>"


def failed(name: str, message: str, seconds: float = 0.0) -> str:
    return f"<testcase name={quoteattr(name)} time='{seconds}'><failure message={quoteattr(message)}/></testcase>"


def remark(message: str, *, level: str = "warning", line: int = 1, code: str = "c") -> str:
    span = {"file_name": "src/lib.rs", "line_start": line, "is_primary": True}
    said = {"message": message, "level": level, "code": {"code": code}, "spans": [span]}
    return json.dumps({"reason": "compiler-message", "message": said}) + "\n"


def test_failed_tests_come_first_then_the_slowest_and_the_flaky(place: reports.Place) -> None:
    (place.folder / "nextest.xml").write_bytes((FIXTURES / "valid" / "nextest.xml").read_bytes())
    tests = find(place).tests
    assert tests is not None
    assert tests.sentence == "8 tests: 3 passed, 5 failed, 1 flaky"
    assert [case.name for case in tests.failures][:2] == [
        "forge::tests::strikes_twice",
        "quench::tests::must_not_be_flaky",
    ]
    assert [case.name for case in tests.slowest][:2] == ["temper::tests::never_ends", "temper::tests::is_slow"]
    assert [(case.name, case.runs) for case in tests.flakes] == [("quench::tests::cools_at_the_second_try", 2)]


def test_several_files_are_one_report(place: reports.Place) -> None:
    for name in ("nextest.xml", "pytest.xml"):
        (place.checkout / name).write_bytes((FIXTURES / "valid" / name).read_bytes())
    tests = find(place).tests
    assert tests is not None
    assert (tests.total, tests.failed, tests.skipped, tests.flaky) == (12, 6, 2, 1)


def test_what_steps_write_into_the_builds_own_folder_needs_no_glob(place: reports.Place) -> None:
    (place.folder / "a.xml").write_text(junit(failed("t", "m")))
    (place.folder / "b.json").write_text(remark("odd"))
    found = find(place, Reports())
    assert found.tests is not None
    assert found.lines == ("1 test: 0 passed, 1 failed", "cargo: 1 warning")


def test_no_file_of_the_checkout_is_read_without_a_glob(place: reports.Place) -> None:
    (place.checkout / "a.xml").write_text(junit(failed("t", "m")))
    assert find(place, Reports()) == reports.Findings()


def test_a_report_of_an_earlier_build_or_of_the_commit_is_not_this_builds(place: reports.Place) -> None:
    old = place.checkout / "old.xml"
    old.write_text(junit(failed("old", "m")))
    now = old.stat().st_mtime_ns
    os.utime(old, ns=(now, now - 1))
    later = replace(place, since=now)
    assert find(later).tests is None
    os.utime(old, ns=(now, now))
    assert find(later).tests is not None


@pytest.mark.parametrize("path", sorted((FIXTURES / "invalid").glob("*.xml")), ids=lambda path: path.stem)
def test_a_broken_report_is_a_line_in_the_log_and_hides_no_other(place: reports.Place, path: Path) -> None:
    (place.folder / "a.xml").write_bytes(path.read_bytes())
    (place.folder / "b.xml").write_text(junit(failed("t", "m")))
    found = find(place)
    assert found.tests is not None
    assert found.tests.total == 1
    assert [note.partition(": ")[0] for note in found.notes] == ["report a.xml is not read"]


def test_a_link_out_of_the_checkout_is_not_followed(place: reports.Place, tmp_path: Path) -> None:
    (tmp_path / "secret.xml").write_text(junit(failed("secret", "m")))
    (place.checkout / "link.xml").symlink_to(tmp_path / "secret.xml")
    (place.folder / "link.xml").symlink_to(tmp_path / "secret.xml")
    assert find(place).tests is None


def test_links_that_lead_to_each_other_are_no_reports(place: reports.Place) -> None:
    for one, other in (("a.xml", "b.xml"), ("b.xml", "a.xml")):
        (place.checkout / one).symlink_to(other)
    (place.folder / "c.xml").symlink_to("c.xml")
    assert find(place) == reports.Findings()


def test_numbers_that_json_cannot_say_are_cut_to_such_as_it_can(place: reports.Place) -> None:
    (place.folder / "a.xml").write_text(junit(*(failed(str(n), "m", 1e308) for n in range(3))))
    (place.folder / "b.json").write_text(remark("odd", line=10**30) + remark("odd", line=-(10**30)))
    found = find(place)
    assert msgspec.json.decode(msgspec.json.encode(found.tests), type=Tested) == found.tests
    assert [a.line for a in found.annotations] == [1, 2**31]


def test_a_file_too_large_to_be_read_is_said(place: reports.Place) -> None:
    with (place.folder / "huge.xml").open("wb") as file:
        file.truncate(reports.FILE_BYTES + 1)
    assert find(place).notes == ("report huge.xml is not read: too large (16 MiB)",)


def test_all_files_together_have_a_limit_too(place: reports.Place) -> None:
    for number in range(3):
        (place.folder / f"{number}.json").write_bytes(b"\n" * reports.FILE_BYTES)
    assert find(place).notes == ("report 2.json is not read: too large (16 MiB)",)


def test_more_files_than_a_build_writes_are_not_read(place: reports.Place) -> None:
    for number in range(reports.MOST_FILES + 5):
        (place.folder / f"{number}.json").write_text("")
    assert find(place).notes == ("more than 200 reports: the rest is not read",)


def test_no_secret_reaches_the_record_wherever_it_stands(place: reports.Place) -> None:
    secret = "hunter-two-is-long"
    leak = junit(failed(secret, f"{'x' * 995}{secret}", 1), f"<testcase name='t' classname='{secret}' time='2'/>")
    (place.folder / "a.xml").write_text(leak)
    (place.folder / "b.json").write_text(remark(f"odd {secret}", code=secret))
    (place.folder / f"{secret}.xml").write_text("broken")
    found = find(place, secret=secret)
    record = msgspec.json.encode([found.tests, found.annotations, found.notes]).decode()
    assert "***" in record
    assert "hunter" not in record


def test_a_secret_that_colours_cut_in_two_is_found_after_they_are_gone(place: reports.Place) -> None:
    (place.folder / "b.json").write_text(remark("hunter-\x1b[1mtwo\x1b[0m-is-long"))
    assert [a.message for a in find(place, secret="hunter-two-is-long").annotations] == ["***"]


def test_names_show_no_colours_no_line_breaks_and_no_turned_writing(place: reports.Place) -> None:
    (place.folder / "b.json").write_text(remark("a\x1b[31mb\u202ec\td\r\ne", code="x\ny"))
    [annotation] = find(place).annotations
    assert (annotation.message, annotation.code) == ("ab\ufffdc    d\ne", "x y")


def test_tabs_and_short_texts_are_not_cut(place: reports.Place) -> None:
    (place.folder / "b.json").write_text(remark("\ta"))
    assert [a.message for a in find(place).annotations] == ["    a"]


def test_errors_come_first_and_a_warning_that_became_an_error_is_one_remark(place: reports.Place) -> None:
    (place.folder / "check.json").write_text(remark("odd", line=1) + remark("soft", line=2))
    (place.folder / "clippy.json").write_text(remark("odd", level="error", line=1) * 2)
    found = find(place)
    assert [(a.level, a.message) for a in found.annotations] == [("error", "odd"), ("warning", "soft")]
    assert found.lines == ("cargo: 1 error, 1 warning",)


def test_few_failures_are_told_at_length_and_many_briefly(place: reports.Place) -> None:
    def longest(count: int) -> int:
        (place.folder / "a.xml").write_text(junit(*(failed(str(n), "m" * 5000) for n in range(count))))
        tests = find(place).tests
        assert tests is not None
        return max(len(case.message) for case in tests.failures)

    assert [longest(count) for count in (1, 10, 25, 1000)] == [1000, 1000, 400, 200]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=400), st.text(max_size=4000)), max_size=100),
    st.sampled_from(["x", "\u00e9", "\U0001f980", '"', "\\"]),
)
def test_a_record_stays_within_its_bounds_whatever_the_reports_say(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]], filler: str
) -> None:
    place = made(tmp_path_factory.mktemp("bounds"))
    legal = [(_legal(name) + filler * 300, _legal(text) + filler * 3000) for name, text in texts]
    flaky = [f"<testcase name={quoteattr(n)} time='1'><flakyFailure/></testcase>" for n, _ in legal]
    xml = junit(*(failed(n, t, 2) for n, t in legal), *flaky)
    (place.folder / "a.xml").write_text(xml, encoding="utf-8")
    (place.folder / "b.json").write_text("".join(remark(t, line=i + 1, code=n) for i, (n, t) in enumerate(legal)))
    found = find(place)
    report = Report(tests=found.tests, annotations=found.annotations, annotations_left_out=found.left_out)
    assert len(msgspec.json.encode(report)) <= 2 * (LIST_BYTES + SHORT_LIST_BYTES) + 500
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report
    assert len(found.annotations) <= MOST_ANNOTATIONS
    assert len(found.annotations) + found.left_out == len(texts)
    if found.tests:
        assert found.tests.total == 2 * len(texts)
        assert len(found.tests.slowest) <= MOST_SLOWEST
        assert max(len(found.tests.failures), len(found.tests.flakes)) <= MOST_LISTED


def _legal(text: str) -> str:
    """Characters that XML can have at all."""
    return "".join(c for c in text if c.isprintable())
