"""Formats on the wire: headers, server-sent events, the provider formats. Without I/O, knows no rule."""
