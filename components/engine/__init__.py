"""The Pulumi engine and its stand-in: where the program runs.

Owns: finding or fetching the CLI, a stack's private place on this machine and its keys, the run under the mock monitor.
Leaves to others: what the program creates (the systems' files), the commands that people type (`commands`).
"""
