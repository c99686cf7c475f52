"""What a good manifest is: plain predicates, used by the policy pack, by pytest and by `python -m components lint`.

Owns: the rules and their messages.
Leaves to others: making manifests (`components`), KEDA's semantics (`raibid.scaler`).
"""
