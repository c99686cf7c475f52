"""raibid: what runs in the pool.

Owns: the job ledger, the webhook API, the one-shot agent, the scaler and the `raibid` command.
Leaves to others: the infrastructure they run on, which is the program in `components/`.
"""

__version__ = "0.1.0"
