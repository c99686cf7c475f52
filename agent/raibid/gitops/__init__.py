"""GitOps operations: who owns a live object, changing it in Git, watching the change land, taking it back.

Owns: the way from a live object to the file that describes it, for Flux and for Argo CD; edits that keep a file's
comments; commits, pushes and pull requests; what became of a commit; the revert of one that failed.
Leaves to others: the forges' APIs (`raibid.forge`), git's command line (`raibid.git`), what the pool's own repository
says (`components`, which writes it).
"""
