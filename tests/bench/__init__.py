"""The measurements behind docs/performance.md: `make bench`, or `python -m tests.bench NAME …`.

Owns: each figure and its twin, measured in the same run on the same machine, so that ratios hold where absolute
times do not. Leaves to others: pass or fail; nothing here is an assertion.
"""
