"""The pool on one machine, with no cluster: real Redis, API, scaler and agents as plain processes.

Owns: finding or installing what the pool needs, the state directory with its secrets and its lock, starting and
ending the processes, the repositories it serves and their post-receive hook, the sample repositories.
Leaves to others: everything those processes do, and talking to the person (`raibid.cli`). Nothing imports this room
but the command line (and the tests, which use the same Redis).
"""
