"""The image of agent and API: what goes into it, and building it with the builder that is there.

Owns: the build context as a value, the command lines of each builder, reading the digest back.
Leaves to others: the Dockerfile (`agent/`), the stack's resource (`agent_image`).
"""
