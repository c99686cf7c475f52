"""`python -m raibid.worker`: the process the scaler and the pool's pods start."""

import sys

from raibid.worker.agent import main
from raibid.worker.config import AgentConfig

if __name__ == "__main__":
    sys.exit(main(AgentConfig.from_env()))
