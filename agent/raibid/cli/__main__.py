"""`python -m raibid.cli`: the same as `raibid`, for processes that know only their interpreter."""

from raibid.cli.main import main

main()
