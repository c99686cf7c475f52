import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from raibid.api.metrics import Metrics
from raibid.api.reconciler import Reconciler
from raibid.forge import Enrolment
from raibid.forge.gitea import GiteaClient
from raibid.forge.session import Session
from tests.cluster.test_reconciler import *

def test_measure(tmp_path, redis_server):
    with LostDeliveries() as d, Gitea(tmp_path/"gitea", SETTINGS, derive) as server:
        server.set_up(d.url)
        ada = server.developer("ada", owner=True)
        def one(n):
            name=f"{ORGANISATION}/r{n}"
            ada.api.call("POST", f"/orgs/{ORGANISATION}/repos", {"name": f"r{n}", "private": True, "default_branch": "main", "auto_init": True})
            for b in range(1,5):
                ada.api.call("POST", f"/repos/{name}/branches", {"new_branch_name": f"b{b}"})
        for n in range(200): one(n)
        ledger = Ledger.connect(redis_server.url, stream="m-1"); ledger.setup()
        cred = tmp_path/"cred"; cred.write_text(f"http://{STATUS_USER}:{derive(STATUS_LABEL)}@{server.address}\n")
        calls=[0]; orig=Session._exchange
        def ex(self,*a,**k):
            calls[0]+=1; return orig(self,*a,**k)
        Session._exchange=ex
        r = Reconciler(ledger, {"gitea": partial(GiteaClient.connect, server.url, cred)}, Enrolment.everything(), Metrics(ledger.depth))
        for _ in range(3):
            calls[0]=0; t=time.time(); r.round(all_of_them=True); print("ROUND", time.time()-t, calls[0], r.report().forges[0].heads, r.report().forges[0].looked, r.report().forges[0].errors)
        Session._exchange=orig
