"""The files below a place in Git: which of them says what, and edits that leave everything else byte for byte.

Owns: kustomize bases, components and patches read backwards, from a field to the file that sets it.
Leaves to others: getting the files and committing them (`raibid.gitops.change`).
"""
