"""Who changed what, when it landed, what was taken back: from trailers, Flux history and events.

Owns: putting the three together.
Leaves to others: writing the trailers (`raibid.gitops.change`, `raibid.gitops.rollback`).
"""
