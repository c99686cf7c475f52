"""Which steps of a pipeline run: the `when` filters.

Owns: the meaning of globs and filters, and the reason a step is skipped.
Leaves to others: what changed and where (the job's spec), running the steps (`raibid.worker`).
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from raibid.model.pipeline import Globs, Pipeline, Step, When


def glob_matches(glob: str, name: str) -> bool:
    """Whether a glob matches a whole path or branch.

    `*`, `?` and `[abc]` match within a segment, `**` as a whole segment matches any number of segments, also none.
    Case matters; a leading dot is nothing special. Time is at most segments of the glob times segments of the name.
    """
    pattern = glob.split("/")
    reached = _past_stars({0}, pattern)
    for segment in name.split("/"):
        stay = {i for i in reached if i < len(pattern) and pattern[i] == "**"}
        step = {i + 1 for i in reached - stay if i < len(pattern) and fnmatchcase(segment, pattern[i])}
        reached = _past_stars(stay | step, pattern)
    return len(pattern) in reached


def _past_stars(reached: set[int], pattern: list[str]) -> set[int]:
    """The places in the pattern that can be reached without reading a segment: a `**` may match none."""
    places = set(reached)
    for i in range(len(pattern)):
        if i in places and pattern[i] == "**":
            places.add(i + 1)
    return places


def passes(globs: Globs, name: str) -> bool:
    """Whether some of `include` and none of `exclude` matches the name."""
    included = any(glob_matches(glob, name) for glob in globs.include)
    return included and not any(glob_matches(glob, name) for glob in globs.exclude)


def skip_reason(when: When, *, branch: str, event: str, changed: tuple[str, ...] | None) -> str:
    """Why the filters skip a step, or nothing if it runs. Changes that are not known (None) pass."""
    if when.event is not None and event not in when.event:
        return f"event {event} is not {' or '.join(when.event)}"
    if when.branch is not None and not passes(when.branch, branch):
        return f"branch {branch} is not among {_shown(when.branch)}"
    if when.path is not None and changed is not None and not any(passes(when.path, path) for path in changed):
        return f"no changed file is among {_shown(when.path)}"
    return ""


def selected(pipeline: Pipeline, *, branch: str, event: str, changed: tuple[str, ...] | None) -> list[tuple[Step, str]]:
    """Each step with the reason it is skipped; an empty reason means it runs."""
    return [(step, skip_reason(step.when, branch=branch, event=event, changed=changed)) for step in pipeline.steps]


def _shown(globs: Globs) -> str:
    text = ", ".join(globs.include)
    return f"{text} without {', '.join(globs.exclude)}" if globs.exclude else text
