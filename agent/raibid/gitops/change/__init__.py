"""A change on its way into a branch: clone, edit, show, try, commit, push or pull request.

Owns: the checkout, the commit and its trailers, races with other pushers, the choice between push and pull request.
Leaves to others: which file (`raibid.gitops.files`), what becomes of it (`raibid.gitops.watch`).
"""
