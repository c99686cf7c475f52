"""The seam to Kubernetes that all parts share: its errors in our words, and how a client finds its cluster.

Owns: one tree of errors; the translation of lightkube's; which configuration is used.
Leaves to others: what is asked for (`raibid.controller.kube`, `raibid.gitops.cluster`).
"""
