"""What Flux would make of a directory: the part of kustomize and of its substitution that the emitted tree needs.

Owns: building, patching, `${…}`, following the stages of an environment.
Leaves to others: what is good (`policies`), what is emitted (`systems`).
"""
