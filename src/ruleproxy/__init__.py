"""A reverse proxy whose behaviour is a folder of small, checked rules."""

from importlib.metadata import version

__version__ = version("ruleproxy")
