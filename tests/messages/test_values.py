"""What can be written as JSON."""

from __future__ import annotations

import pytest

from ruleproxy.messages.values import NIL, EditRefused, encode


@pytest.mark.parametrize("value", [NIL, [NIL], {"a": {"b": [1, NIL]}}])
def test_nil_is_never_written(value: object) -> None:
    """Absence is no text, however deep it stands: the rule that wanted it fails."""
    with pytest.raises(EditRefused, match="nil has no place in JSON"):
        encode(value)
