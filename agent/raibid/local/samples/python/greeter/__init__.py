"""The sample package that `raibid up --sample python` builds: one function, no dependencies."""


def greet(name: str) -> str:
    """Return a greeting for whoever pushed; "world" for nobody in particular."""
    return f"Hello, {name.strip() or 'world'}!"
