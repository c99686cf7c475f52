"""The pool's HTTP face: webhooks in; jobs, logs, metrics and the operator's levers out.

Owns: routes, tokens, the webhook's hot path, Server-Sent Events, the archive of ended jobs, the periodic tick.
Leaves to others: what a push becomes (`raibid.forge`), every change of a job (`raibid.ledger`), where bytes are kept
(`raibid.store`).

Read in this order: `settings.py`, `app.py` (what is put together), `webhooks.py` + `batcher.py` (the hot path),
`log_stream.py`, `archive.py` + `background.py`.
"""
