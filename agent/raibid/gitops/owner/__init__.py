"""Who owns a live object: from its labels, tracking ids, references and the appliers' inventories to a place in Git.

Owns: the question and its answers, which are four: managed, contested, unmanaged, unknown.
Leaves to others: the file below that place (`raibid.gitops.files`), changing it (`raibid.gitops.change`).
"""
