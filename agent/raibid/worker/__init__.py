"""The one-shot agent: claims one job, builds it, reports, exits.

Owns: the checkout, the steps' processes and environment, the log's way from a pipe to the ledger, masking, reports,
artifacts.
Leaves to others: which job is next (`raibid.ledger`), what a pipeline may say (`raibid.model`), how many agents
there are (`raibid.scaler`, KEDA), archives (`raibid.api`).

Read in this order: `agent.py` (one job from claim to exit), `build.py` (what happens to it), `pipeline_run.py`
(the steps; also `raibid exec`), then the file named for the thing you want.
"""
