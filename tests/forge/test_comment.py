"""The comment at a pull request: what it says, and that no word of strangers becomes markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import markdown  # type: ignore[import-untyped]
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from raibid.forge.comment import MOST_BYTES, block, code, comment_of
from raibid.model.job import Job, JobSpec, JobStatus, Report
from raibid.model.report import Annotation, Case, Tested

URL = "https://ci.example.org/"
SPEC = JobSpec(repo="acme/anvil", clone_url="", ref="refs/pull/7/head", sha="a1b2c3d4e5f6", event="pull_request")


def job(*, status: JobStatus = JobStatus.FAILED, reason: str = "test: exit code 100", **report: Any) -> Job:
    values = Report(**report)
    return Job(id="0r4d0k3n5q1zj8wb", spec=SPEC, status=status, reason=reason, started=10, finished=73, report=values)


FAILURE = Case(suite="anvil", name="forge::strikes", seconds=0.2, message="panicked at src/forge.rs:41:9:\nleft: 1")
SLOW = Case(suite="anvil", name="temper::is_slow", seconds=3.12)
FLAKE = Case(suite="anvil", name="quench::cools", seconds=0.05, runs=2)
TESTED = Tested(total=9, failed=1, skipped=2, flaky=1, failures=(FAILURE,), slowest=(SLOW,), flakes=(FLAKE,))
REMARK = Annotation(
    file="src/lib.rs", line=10, level="error", code="clippy::needless_return", message="unneeded `return`"
)


def test_the_verdict_comes_first_then_failures_remarks_and_what_is_folded() -> None:
    assert (
        comment_of(job(tests=TESTED, annotations=(REMARK,)), URL)
        == """\
**Failed** after 1 min 3 s: `test: exit code 100` · [job 0r4d0k3n5q1zj8wb](https://ci.example.org/jobs/0r4d0k3n5q1zj8wb) · `a1b2c3d4e5`

9 tests: 6 passed, 1 failed, 2 skipped, 1 flaky.

#### Failed tests

- 0.20 s `anvil` `forge::strikes`

```text
panicked at src/forge.rs:41:9:
left: 1
```

#### Errors and warnings

- error at `src/lib.rs:10` `clippy::needless_return`: `` unneeded `return` ``

<details><summary>Flaky: 1</summary><ul>
<li>0.05 s <code>anvil</code> <code>quench::cools</code>, 2 runs</li>
</ul></details>

<details><summary>Slowest tests</summary><ul>
<li>3.12 s <code>anvil</code> <code>temper::is_slow</code></li>
</ul></details>
"""  # noqa: E501
    )


def test_a_build_that_reported_nothing_needs_no_comment() -> None:
    assert comment_of(job(), URL) == ""
    assert comment_of(msgspec.structs.replace(job(), report=None), URL) == ""


@pytest.mark.parametrize("status", JobStatus)
def test_every_status_has_a_verdict(status: JobStatus) -> None:
    words = comment_of(job(status=status, reason="", tests=TESTED), URL).split("\n")[0]
    assert re.match(r"\*\*[A-Z][a-z ]+\*\* after", words)


def test_without_a_public_address_there_is_no_link() -> None:
    assert "](" not in comment_of(job(tests=TESTED), "")


def test_what_the_record_left_out_is_counted() -> None:
    tests = Tested(total=90, failed=80, failures=(FAILURE,))
    text = comment_of(job(tests=tests, annotations=(REMARK,), annotations_left_out=5), URL)
    assert "… and 79 more." in text
    assert "… and 5 more." in text


# --- strangers -----------------------------------------------------------------------------------------------------

ATTACKS = [
    "@everyone #123 !45 GH-7 acme/anvil#9 a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5f6a1b2",
    "![x](https://evil.example/i.png) [y](javascript:alert(1)) <https://evil.example> https://evil.example",
    "<img src=x onerror=alert(1)><script>alert(1)</script><!-- raibid:pr --></details></li></code>",
    "` @ada `` @ada ``` @ada ````` `",
    "```\n@ada\n```\n~~~\n# title\n~~~\n<b>",
    "\\` @ada \\",
    "\n\n# title\n\n---\n- a\n> q\n\n    code\n\n[r]: https://evil.example\n[r]",
    "a\r\n\r\n@ada\u2028\u2029\x0b\x0c\x85@ada\u202e\u200b\x00",
    "| a | b |\n|---|---|\n| @ada | c |",
    "&lt;b&gt; &#64;ada &commat;ada",
    "$\\alpha$ :tada: ~~x~~ **x** __x__ ==x== [ ] [x]",
    "<![CDATA[x]]> <?php ?> <!DOCTYPE html> <a\nhref='x'>",
]
PIECES = st.sampled_from(
    ["`", "``", "```", "\n", "\n\n", "~~~", "<", ">", "b>", "@ada", "#1", "](", "![", "\\", " ", "-", "x", "&"]
)
TEXT = st.sampled_from(ATTACKS) | st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=60)
CASES = st.builds(Case, name=TEXT, suite=TEXT, message=TEXT, runs=st.integers(1, 3), seconds=st.floats(0, 1e6))
REMARKS = st.builds(Annotation, file=TEXT, line=st.integers(), level=TEXT, code=TEXT, message=TEXT)
LISTS = st.lists(CASES, max_size=3).map(tuple)
REPORTS = st.builds(
    lambda failures, slowest, flakes, annotations: {
        "tests": Tested(total=5, failed=3, failures=failures, slowest=slowest, flakes=flakes),
        "annotations": annotations,
    },
    LISTS,
    LISTS,
    LISTS,
    st.lists(REMARKS, max_size=3).map(tuple),
)

OURS = {"a", "code", "details", "h4", "li", "p", "pre", "strong", "summary", "ul"}


class Page(HTMLParser):
    """What a reader of the rendered comment gets."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.comments: list[str] = []
        self.prose = ""  # text where a forge looks for mentions and references
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._open.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        assert tag in self._open
        while self._open.pop() != tag:
            pass

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        if not {"code", "pre"} & set(self._open):
            self.prose += data


RENDERERS = {
    # As the forges read it (GitHub's cmark-gfm and Gitea's goldmark are CommonMark), with HTML let through.
    "commonmark": lambda text: MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text),
    "markdown": lambda text: markdown.markdown(text, extensions=["fenced_code"]),
}
PROSE = re.compile(
    r"(Failed after 1 min 3 s: +· job 0r4d0k3n5q1zj8wb · |5 tests: 2 passed, 3 failed\.|Failed tests|"
    r"Errors and warnings|Slowest tests|Flaky: 0|… and \d more\.|[\d.]+ s|(error|warning) at|, [23] runs|:|\s)*"
)


@pytest.mark.parametrize("renderer", RENDERERS)
@settings(max_examples=150, deadline=None)
@given(report=REPORTS, reason=TEXT.filter(bool))
@example(report={"tests": TESTED, "annotations": (REMARK,)}, reason="`")
def test_nothing_of_strangers_is_a_link_an_image_a_mention_or_html(
    renderer: str, report: dict[str, Any], reason: str
) -> None:
    page = Page(RENDERERS[renderer](comment_of(job(reason=reason, **report), URL)))
    assert page.tags <= OURS
    assert page.links == [f"{URL}jobs/0r4d0k3n5q1zj8wb"]
    assert page.attributes <= {"href", "class"}
    assert page.comments == []
    if report["tests"] is not TESTED:
        assert PROSE.fullmatch(page.prose), page.prose


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_is_shown_as_the_text_it_is(renderer: str, attack: str) -> None:
    visible = Case(name=attack, suite="s", message=attack)
    remark = Annotation(file=attack, line=1, level="warning", code=attack, message=attack)
    tests = Tested(total=5, failed=3, failures=(visible,), slowest=(visible,), flakes=(visible,))
    page = Page(RENDERERS[renderer](comment_of(job(tests=tests, annotations=(remark,), reason=attack), URL)))
    assert page.tags <= OURS
    assert len(page.links) == 1
    assert PROSE.fullmatch(page.prose), page.prose


@given(TEXT)
def test_a_code_span_is_one_line_and_ends_where_it_should(text: str) -> None:
    [paragraph] = [token for token in MarkdownIt("commonmark").parse(f"x {code(text)} y") if token.type == "inline"]
    assert [child.type for child in paragraph.children or ()] == ["text", "code_inline", "text"]


@given(TEXT)
def test_a_block_is_one_block(text: str) -> None:
    assert [token.type for token in MarkdownIt("commonmark").parse(f"{block(text)}\n")] == ["fence"]


LONG = st.sampled_from(["x", "`", "\U0001f980", "'", "\n", "&"]).map(lambda character: character * 3000)


@settings(max_examples=20, deadline=None)
@given(LONG, st.integers(1, 300))
def test_a_comment_stays_within_its_bounds_and_closes_what_it_opens(text: str, count: int) -> None:
    case = Case(name=text, suite=text, message=text)
    remark = Annotation(file=text, line=1, level="error", code=text, message=text)
    tests = Tested(total=count, failed=count, failures=(case,) * count, slowest=(case,) * count, flakes=(case,) * count)
    comment = comment_of(job(reason=text, tests=tests, annotations=(remark,) * count), URL)
    assert len(comment.encode()) <= MOST_BYTES
    assert comment.count("<details>") == comment.count("</details>")
    assert Page(RENDERERS["commonmark"](comment)).tags <= OURS
