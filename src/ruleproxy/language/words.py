"""The grammar's tokens in groups, as messages speak of them; a test holds them against the grammar."""

from __future__ import annotations

VERBS = frozenset(
    """
    REWRITE INJECT STRIP ADD KEEP MERGE RENAME MOVE LIMIT FAKE_STREAM COLLECT_STREAM
    REPAIR_STREAM RESPOND RETRY LEARN STOP DROP EMIT NOTE
    """.split()  # noqa: SIM905  (nineteen lines of quotes are not easier to read)
)
"""Tokens that begin a statement and are its verb."""

BLOCKS = frozenset({"FOR", "IF", "LOCAL"})
"""Tokens that begin any other statement."""

ITEMS = frozenset({"EDITION", "USE", "RULE", "TEST"})
"""Tokens that begin an item of a file, `local` apart."""

VALUES = frozenset({"STRING", "INT", "FLOAT", "DURATION", "SIZE", "TRUE", "FALSE", "NULL", "NIL", "LBRACE"})
"""Tokens that are all expected where a value is."""

VALUE_STARTS = VALUES | {"NAME", "LPAREN", "NOT", "SIGN"}
"""Tokens that are left out where "a value" has been said."""

CONTINUATIONS = frozenset(
    {"OR", "AND", "COMPARISON", "DEFAULTING", "CONCAT", "SIGN", "DOT", "LSQB", "EVERY", "ANY_DEPTH"}
)
"""Tokens that could go on with any value: true, and never what is missing."""

CLOSERS = {"RPAREN": "(", "RBRACE": "{", "RSQB": "["}
"""What each closing bracket closes."""

KINDS = {"NAME": "a name", "MEMBER": "a field name", "KEY": "a key", "STRING": "a string", "INT": "a whole number"}
"""How tokens are called that can be written in many ways."""

END_OF_TEXT = "$END"
"""The token after the last one, as Lark names it."""

RESERVED = frozenset(
    """
    edition use with rule on when then end local for in do if elseif else test given
    expect and or not true false null nil into at from where to by
    """.split()  # noqa: SIM905
) | {verb.lower() for verb in VERBS}
"""Words that are no names."""

SOFT_WORDS = frozenset(
    """
    DEFAULT CHANGED MATCHED UNMATCHED SHADOWED FAILED UNREACHED UNCHANGED SNAPSHOT STOPPED
    RETRIED LEARNED ATTEMPT
    """.split()  # noqa: SIM905
)
"""Tokens that may stand where a value may, and are not worth naming beside it."""
