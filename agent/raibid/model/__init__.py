"""The pool's data: jobs, pipelines, push events and the job's state machine.

Owns: what a job is, which transitions are legal, what a pipeline file may say and how its errors read.
Leaves to others: every side effect. Nothing here opens a socket, a file or a process.
"""
