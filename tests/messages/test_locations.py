"""Locations as validators print them, on documents as clients send them."""

from __future__ import annotations

from typing import Any

import pytest

from ruleproxy.messages.locations import find_members

BODY: dict[str, Any] = {
    "context_management": {"edits": []},
    "thinking": {"type": "enabled", "budget_tokens": 1},
    "tools": [{"name": "a", "strict": True}, {"name": "b"}, {"name": "c", "strict": False}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "t", "citations": []}, {"type": "image", "text": 1}]},
        {"role": "user", "content": "text"},
    ],
    "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "scope": "global"}}],
}


@pytest.mark.parametrize(
    ("location", "found"),
    [
        ("context_management", [("context_management", BODY)]),
        ("body.context_management", [("context_management", BODY)]),
        ("thinking.enabled.budget_tokens", [("budget_tokens", BODY["thinking"])]),
        ("tools.1.custom.strict", [("strict", BODY["tools"][0]), ("strict", BODY["tools"][2])]),
        ("tools[1].strict", [("strict", BODY["tools"][0]), ("strict", BODY["tools"][2])]),
        ("messages.0.content.0.text.citations", [("citations", BODY["messages"][0]["content"][0])]),
        (
            "messages.0.content.0.text",
            [("text", BODY["messages"][0]["content"][0]), ("text", BODY["messages"][0]["content"][1])],
        ),
        ("system.0.text.cache_control.ephemeral.scope", [("scope", BODY["system"][0]["cache_control"])]),
        ("system.0.cache_control.scope", [("scope", BODY["system"][0]["cache_control"])]),
        ("tools.0", []),
        ("tools.name", []),
        ("absent.0.strict", []),
        ("", []),
        ("...", []),
    ],
)
def test_what_a_location_names(location: str, found: list[tuple[str, Any]]) -> None:
    """Tags are passed over where they are no member, an index is every element, whole elements are never named."""
    members = find_members(BODY, location)
    assert [name for _, name in members] == [name for name, _ in found]
    assert all(holder is wanted for (holder, _), (_, wanted) in zip(members, found, strict=True))
