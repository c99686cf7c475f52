#!/opt/raibid/bin/python
"""`raibid` in the images: what an installed package would have as its script."""

from raibid.cli import main

main()
