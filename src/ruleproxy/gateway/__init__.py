"""A strict gateway to try rules against: an application of its own, for the demo and the tests."""

from ruleproxy.gateway.serving import DEFAULT_PATH, Gateway, serve_gateway

__all__ = ["DEFAULT_PATH", "Gateway", "serve_gateway"]
