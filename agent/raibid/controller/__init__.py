"""The pool's eyes and hands in Kubernetes: how agents' pods end, why they cannot start, and (direct mode) their Jobs.

Owns: reading pods, their events and Jobs; the judgement of a pod's end; creating Jobs where KEDA does not.
Leaves to others: what an end means for the job (`Ledger.pod_ended`), how many Jobs (`raibid.scaler.arithmetic`), the
Role that allows all this and nothing else (`components`). The API never talks to Kubernetes: it takes hostile input.

Read in this order: `endings.py` and `job_creator.py` (pure decisions), then `post_mortem.py`, `creating.py`, `main.py`.
"""

from raibid.controller.errors import ControllerError

__all__ = ["ControllerError"]
