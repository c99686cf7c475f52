"""The infrastructure: one file per system, from stack config to a Flux repository and a machine that runs it.

Owns: what every system asks of the machine (`footprint`), what it contributes to the Flux repository (`manifests`),
and what Pulumi itself must own before Flux can (`class X(ComponentResource)`).
Leaves to others: what runs inside the pods (`agent/raibid`; only `raibid.contract` is imported from it), what a good
manifest is (`policies`).

Arrows: settings <- budget <- a system's file <- flux_repo <- __main__. `python -m components` is
the same without an engine.
"""
