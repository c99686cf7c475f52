"""What goes wrong with a cluster of the tests: one root, a kind beside each thing that fails.

Owns: the root.
Leaves to others: the kinds (beside what raises them), what a command does with one (`command.py`).
"""

from __future__ import annotations


class ClusterError(Exception):
    """A part, a tool or a run failed; the message says what, and where it can what to do."""
