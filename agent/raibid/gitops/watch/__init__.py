"""A commit on its way into the cluster: fetched, attempted, applied, healthy, or which of these not.

Owns: one pure step from what objects say to how far a commit is, for Flux and for Argo CD; following it live.
Leaves to others: what to do about a failure (`raibid.gitops.rollback`).
"""
