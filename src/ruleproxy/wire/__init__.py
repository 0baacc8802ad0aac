"""Formats on the wire: headers, server-sent events, the provider formats. Incremental, without I/O, knows no rule."""
