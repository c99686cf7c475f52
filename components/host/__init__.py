"""What lies on a machine below Kubernetes: files of k3s, what is sent over SSH, what a machine must be.

Owns: texts of the host's files, the bundle for a node, judging the facts that a machine reports.
Leaves to others: running it over SSH (`k3s`), the scripts (`scripts`), the reservations (`budget`).
"""
