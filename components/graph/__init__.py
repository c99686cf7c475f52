"""The stack as a picture, drawn from what the systems say of themselves.

Owns: nodes and arrows, their places, Mermaid and SVG.
Leaves to others: each system's `FLOWS` (its file), the command (`commands.graph`).
"""
