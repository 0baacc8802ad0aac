"""What traces, reports, logs and diagnostics show of credentials: masks, in the place and width that they had."""

from __future__ import annotations

import re

from ruleproxy.engine.masking import (
    mask_at,
    mask_expression,
    mask_header,
    mask_listing,
    mask_operand,
    mask_parameter,
    mask_text,
)

PLANTED = "Pl4nt3dS3cretOfTwentyEight00"
MASK = r"\*masked-[0-9a-f]{8}\*"


def test_a_member_is_known_by_its_name_in_the_pointer() -> None:
    """An edit has its name in its place only; members of a list of secrets are secrets."""
    assert re.fullmatch(MASK, mask_at("/metadata/client_secret", PLANTED))
    assert re.fullmatch(f'"{MASK}"', mask_at("/metadata/client_secret", f'"{PLANTED}"'))
    assert PLANTED not in mask_at("/secrets/0", f'"{PLANTED}"')
    assert PLANTED not in mask_at("/client_secret", f'"{PLANTED}… (2000 characters)')
    assert PLANTED not in mask_at("/credentials", f'{{"password":"{PLANTED}"}}')
    assert mask_at("/model", '"claude-sonnet-4-6"') == '"claude-sonnet-4-6"'
    assert mask_at("/max_tokens", "1024") == "1024"
    assert mask_at("/password", "null") == "null"


def test_what_a_credential_is_compared_with_is_one() -> None:
    """The literal of a condition goes, the names in it stay."""
    for asked in (
        'request.headers["x-api-key"]',
        "request.body.password",
        "request.query.sig",
        "request.headers.cookie",
    ):
        shown = mask_expression(f'{asked} == "{PLANTED}"')
        assert re.fullmatch(re.escape(asked) + f' == "{MASK}"', shown), shown
        assert PLANTED not in mask_expression(f"{asked} == [[{PLANTED}]]")
        assert PLANTED not in mask_operand(asked, f'"{PLANTED}"')
        assert mask_operand(asked, "nil") == "nil"
    assert mask_expression('request.model == "claude-sonnet-4-6"') == 'request.model == "claude-sonnet-4-6"'
    assert mask_operand("request.headers.accept", '"*/*"') == '"*/*"'


def test_half_a_key_at_a_cut_is_left_out() -> None:
    """What a long value was cut to may end within a key that is too short then to be known."""
    assert mask_text("see ghp_Pl4nt3d12… (900 characters)") == "see … (900 characters)"
    assert (
        mask_text("all of it ends with a word. … (900 characters)") == "all of it ends with a word. … (900 characters)"
    )


def test_underlines_stay_under_what_they_underline() -> None:
    """A line of source keeps its width, so that the marks below it are right."""
    line = f'3 |   rewrite request.headers["x-api-key"] = "sk-ant-api03-{PLANTED}" nonsense'
    shown = mask_listing(f"{line}\n  | {' ' * 70}^^^^\n")
    assert PLANTED not in shown
    assert len(shown.splitlines()[0]) == len(line)
    assert shown.splitlines()[0].endswith(" nonsense")


def test_a_secret_of_the_rules_is_shown_by_its_name() -> None:
    """As the documentation says: also where its place alone says that it is a credential."""
    assert mask_header("x-api-key", "secret:CORP_KEY") == "secret:CORP_KEY"
    assert mask_header("authorization", "Bearer secret:CORP_KEY") == "Bearer secret:CORP_KEY"
    assert mask_parameter("sig", "secret:CORP_KEY") == "secret:CORP_KEY"
    assert PLANTED not in mask_header("x-api-key", f"secret:{PLANTED}")
    assert PLANTED not in mask_header("authorization", f"Bearer secret:CORP_KEY {PLANTED}")
    assert mask_text('"https://secret:CORP_HOST:8443/v1"') == '"https://secret:CORP_HOST:8443/v1"'
    assert PLANTED not in mask_text(f"https://secret:{PLANTED}@corp.example/v1")
