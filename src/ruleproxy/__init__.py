"""A reverse proxy whose behaviour is a folder of small, checked rules."""

from __future__ import annotations

__version__: str


def __getattr__(name: str) -> str:
    # Looked up when it is asked for: most commands never do, and it takes longer than reading fifty rules.
    if name == "__version__":
        from importlib.metadata import version

        return version("ruleproxy")
    raise AttributeError(name)
