"""The Flux repository as a Git repository: from an emission to a commit, or to nothing at all.

Owns: the push request, who owns a path, sealing Secrets, Git itself, the repository's own pages and gate.
Leaves to others: which files (`systems`), the format of an encrypted file (`sops`), the stack's resource (`flux_repo`).
"""
