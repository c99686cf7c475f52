"""What holds for every file and every pipeline, not only for the ones somebody thought of."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raibid.model.findings import RULES
from raibid.model.lint import PipelineError, lint, load
from raibid.model.pipeline import Concurrency, Globs, Pipeline, Step, When
from raibid.model.pipeline_types import EVENTS, MAX_DURATION, format_duration, parse_duration

WORDS = """steps: name: run: a x env: when: timeout: 0m - &a *a <<: { } [ ] , : ? !!str !x | ' ~ # \\ \\U --- %YAML"""
FRAGMENTS = st.sampled_from([*WORDS.split(), " ", "\n", "\n  ", "\t", '"'])
PRINTABLE = st.characters(exclude_categories=("C", "Z"))
TEXT = st.text(PRINTABLE, min_size=1, max_size=20)
SEGMENT = st.text(st.sampled_from("ab.*?-é"), min_size=1, max_size=4).filter(
    lambda s: s not in {".", ".."} and "**" not in s
)
GLOB = st.lists(SEGMENT | st.just("**"), min_size=1, max_size=4).map("/".join)
GLOBS = st.builds(
    Globs,
    include=st.lists(GLOB, min_size=1, max_size=3).map(tuple),
    exclude=st.lists(GLOB, min_size=1, max_size=2).map(tuple),
)
ENV = st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda n: n[:7] != "raibid_"), TEXT)
WHEN = st.builds(
    When,
    branch=st.none() | GLOBS,
    event=st.none() | st.lists(st.sampled_from(EVENTS), min_size=1).map(tuple),
    path=st.none() | GLOBS,
)
STEP = st.builds(Step, name=TEXT, run=TEXT, env=ENV, timeout=st.none() | st.integers(1, 600), when=WHEN)


@st.composite
def pipelines(draw: st.DrawFn) -> Pipeline:
    steps = draw(st.lists(STEP, min_size=1, max_size=4, unique_by=lambda step: step.name))
    data = {
        "class": draw(st.none() | st.just("large")),
        "secrets": draw(st.lists(st.from_regex(r"[A-Z_][A-Z0-9_]{0,5}", fullmatch=True), max_size=3)),
        "concurrency": draw(st.none() | st.builds(Concurrency, group=TEXT, cancel=st.booleans())),
        "artifacts": draw(st.lists(GLOB, min_size=1, max_size=3)),
        "timeout": draw(st.integers(600, MAX_DURATION)),
        "env": draw(ENV),
        "steps": steps,
    }
    return Pipeline.model_validate(data)


@given(pipelines())
@settings(deadline=None)
def test_every_pipeline_survives_being_written_and_read(pipeline: Pipeline) -> None:
    assert load(json.dumps(pipeline.as_data(), ensure_ascii=False).encode()) == pipeline


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
@settings(deadline=None)
def test_arbitrary_bytes_give_a_pipeline_or_a_report(source: bytes) -> None:
    check_totality(source)


@given(st.lists(FRAGMENTS, max_size=40).map(lambda parts: "".join(parts).encode()))
@settings(deadline=None)
def test_near_yaml_gives_a_pipeline_or_a_report(source: bytes) -> None:
    check_totality(source)


@given(pipelines(), st.data())
@settings(deadline=None)
def test_a_damaged_pipeline_gives_a_pipeline_or_a_report(pipeline: Pipeline, data: st.DataObject) -> None:
    text = json.dumps(pipeline.as_data(), ensure_ascii=False, indent=1)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 5)))
    check_totality((text[:start] + data.draw(FRAGMENTS) + text[end:]).encode())


def check_totality(source: bytes) -> None:
    """A pipeline or findings, never both or neither; findings in order, inside the file, of known rules, printable."""
    linted = lint(source)
    assert (linted.pipeline is None) == bool(linted.findings)
    assert list(linted.findings) == sorted(linted.findings, key=lambda f: (f.line, f.column))
    for finding in linted.findings:
        assert finding.rule in RULES
        assert finding.line >= 1
        assert finding.column >= 1
    assert len(str(linted).encode().splitlines()) == len(linted.findings)
    if linted.pipeline is None:
        with pytest.raises(PipelineError) as caught:
            load(source)
        assert caught.value.findings == linted.findings
    else:
        assert load(source) == linted.pipeline


@given(st.integers(1, MAX_DURATION))
def test_a_duration_reads_as_it_was_written(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds
