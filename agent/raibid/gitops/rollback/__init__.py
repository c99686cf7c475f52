"""Taking a bad commit back: when it is right, how it is done, by hand and by the controller.

Owns: the decision table, the revert, the records of it, the controller.
Leaves to others: pushing (`raibid.gitops.change`), whether the revert lands (`raibid.gitops.watch`).
"""
