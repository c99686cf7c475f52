"""Words that statuses, comments and notifications share. Pure.

Owns: a job's address for people, how long something took.
Leaves to others: what is said around them (`commit_status.py`, `comment.py`, `raibid.api.notices`).
"""

from __future__ import annotations


def job_url(public_url: str, job_id: str) -> str:
    """Where people read about a job. `public_url`: where they reach the API; empty: so is the answer."""
    return f"{public_url.rstrip('/')}/jobs/{job_id}" if public_url else ""


def duration(seconds: float) -> str:
    """How long something took, for people."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
