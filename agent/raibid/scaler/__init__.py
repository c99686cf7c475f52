"""Who starts agents, and how many: KEDA's arithmetic, the local scaler that uses it, and the tools that explain it.

Owns: the arithmetic (`arithmetic.py`), the local scaler (`local.py`), the reading of ScaledJob manifests
(`scaled_job.py`), the doctor that says what KEDA will really do with one (`doctor.py`, `rules/`) and the simulator
that says how long jobs will wait (`simulate.py`).
Leaves to others: what an agent does (`raibid.worker`), how long the stream is (`raibid.ledger`), the manifest that
the program emits (`components`). Nothing here talks to Kubernetes.
"""

from raibid.scaler.errors import ArrivalsError, ScaledJobError, ScalerError

__all__ = ["ArrivalsError", "ScaledJobError", "ScalerError"]
