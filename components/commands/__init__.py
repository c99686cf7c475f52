"""The commands of `python -m components`: a file each, loaded only when it is called.

Owns: what the person types and sees; options, tables, JSON, exit codes.
Leaves to others: every decision. A command reads settings, calls a function of `components` and shows what it says.

How a command ends when it cannot: it raises an error of this project. `components.__main__` turns that into one
sentence on stderr, the error's `hint` (what to do next) if it has one, and its `code` if it has one, else 1.
"""
