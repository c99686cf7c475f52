"""The `raibid` command: a table of commands, each imported when it is called and not before.

Owns: what a person types and sees. Options, tables, colours, exit codes, what to do next after an error.
Leaves to others: all the work. Client commands speak HTTP to the API; `exec` and `lint` call the agent's own code.

`main.py` is the table, `client.py` the one way to the API, `output.py` the one way to the terminal; every other
module is a group of commands.
"""

from raibid.cli.main import main

__all__ = ["main"]
