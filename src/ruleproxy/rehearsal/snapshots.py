"""What went upstream, as JSON to be kept beside the rules and read in review. Credentials are masked."""

from __future__ import annotations

import json
from typing import Any

from ruleproxy.engine.events import Send
from ruleproxy.engine.masking import mask_header, mask_path, mask_text


def render_snapshot(send: Send | None) -> str:
    """A request as JSON with its body opened; `null` for one that was not sent. Ends with a line end."""
    shown: dict[str, Any] | None = None
    if send is not None:
        shown = {
            "method": send.method,
            "url": send.origin + mask_path(send.target.decode("latin-1")),
            "headers": [_show_line(name.decode("latin-1"), value.decode("latin-1")) for name, value in send.headers],
        }
        try:
            shown["body"] = json.loads(mask_text(send.body.decode()))
        except (ValueError, RecursionError):
            shown["body_text"] = mask_text(send.body.decode("utf-8", "backslashreplace"))
    return (
        json.dumps(shown, indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        + "\n"
    )


def _show_line(name: str, value: str) -> str:
    return f"{name}: {mask_header(name, value)}"
