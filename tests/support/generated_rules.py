"""Rules files made by chance: every form of every statement, nested, in words that only have to parse."""

from __future__ import annotations

from hypothesis import strategies as st

NAMES = st.sampled_from(["a", "message", "first", "newest", "changed", "x_1", "default"])
WHOLE = st.integers(0, 10**19).map(str)
STRINGS = st.sampled_from(
    ['"a"', '""', '"tab\\t \\" \\x41"', "[[long]]", "[=[ ]] ]=]", "[[\nlines\n\n  of it]]", '"-- no"']
)
CONSTANTS = st.one_of(WHOLE, STRINGS, st.sampled_from(["1.5", "10s", "64kb", "true", "false", "null", "nil"]))
STEPS = st.sampled_from([".a", ".end", ".type", "[*]", "[**]", '["x-y"]', "[ [[k]] ]", "[names]"])
ROOTS = st.sampled_from(["request", "response", "event", "original", "message"])
PATHS = st.builds(lambda root, steps: root + "".join(steps), ROOTS, st.lists(STEPS, max_size=3))
SIDES = st.sampled_from(["request", "response", "event", "failure"])

OPERATORS = st.sampled_from(["or", "and", "==", "~=", "<", "<=", ">", ">=", "in", "??", "..", "+", "-"])
GAPS = st.sampled_from([" ", " ", "  ", "\n", "\n\n\n    "])


def extend_values(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Values made of smaller ones."""
    grouped = st.builds("({}{})".format, values, st.sampled_from(["", " "]))
    field = st.one_of(
        values,
        st.builds("{}{}= {}".format, st.sampled_from(["a", "end", "key"]), st.sampled_from(["", " "]), values),
        st.builds("[ {} ] = {}".format, values, values),
    )
    return st.one_of(
        st.builds("({}{}{}{}{})".format, grouped, GAPS, OPERATORS, GAPS, grouped),
        st.builds("({} {})".format, st.sampled_from(["not", "-", "+"]), grouped),
        st.builds(
            "{}({})".format, st.sampled_from(["lower", "first", "list"]), st.lists(values, max_size=3).map(", ".join)
        ),
        st.builds("{{{}{}{}}}".format, GAPS, st.lists(field, max_size=4).map(", ".join), GAPS),
        grouped,
    )


VALUES = st.recursive(st.one_of(CONSTANTS, PATHS), extend_values, max_leaves=6)
TABLES = st.builds("{{{}a = {}}}".format, GAPS, VALUES)
GROUPED = VALUES.map("({})".format)
"""A value that ends where it seems to, also before `in`, `to` and `from`."""

ACTIONS = st.one_of(
    st.builds("rewrite {} = {}".format, PATHS, VALUES),
    st.builds("inject {}{} into {}".format, st.sampled_from(["", "default "]), GROUPED, PATHS),
    st.builds("strip {}".format, PATHS),
    st.builds("strip {} at {}".format, PATHS, GROUPED),
    st.builds("strip {} from {}".format, GROUPED, PATHS),
    st.builds("strip {} in {}{}where {}".format, NAMES, PATHS, GAPS, GROUPED),
    st.builds("add {} to {}{}".format, GROUPED, PATHS, st.sampled_from(["", " first", " last"])),
    st.builds("add {} {} {}".format, GROUPED, st.sampled_from(["before", "after"]), NAMES),
    st.builds("keep {} in {}".format, GROUPED, PATHS),
    st.builds("merge {} by {}".format, PATHS, STRINGS),
    st.builds("rename {} to {}".format, PATHS, GROUPED),
    st.builds("move {} in {}{}where {} to {}".format, NAMES, PATHS, GAPS, GROUPED, st.sampled_from(["first", "last"])),
    st.builds(
        "limit cache_control in {} to {}{}".format,
        PATHS,
        WHOLE,
        st.sampled_from(["", ", keep newest", ",keep oldest", " , keep ends"]),
    ),
    st.builds("fake_stream {}".format, st.one_of(st.just(""), TABLES)),
    st.sampled_from(["collect_stream", "repair_stream", "retry", "learn", "stop", "drop"]),
    st.builds("respond {}".format, GROUPED),
    st.builds("emit {} {}".format, TABLES, st.sampled_from(["before", "after"])),
    st.builds("note {}".format, GROUPED),
    st.builds("local {} = {}".format, NAMES, GROUPED),
)


def extend_statements(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Blocks of smaller statements."""
    body = st.lists(inner, max_size=3).map("\n  ".join)
    branch = st.builds("elseif {} then\n  {}\n".format, GROUPED, body)
    return st.one_of(
        st.builds("for {} in {} do\n  {}\nend".format, NAMES, GROUPED, body),
        st.builds(
            "if {} then\n  {}\n{}{}end".format,
            GROUPED,
            body,
            st.lists(branch, max_size=2).map("".join),
            st.one_of(st.just(""), body.map("else\n  {}\n".format)),
        ),
    )


STATEMENTS = st.recursive(ACTIONS, extend_statements, max_leaves=5)

RULES = st.builds(
    "rule {} on {}{}{}{}then\n  {}\nend".format,
    STRINGS,
    SIDES,
    st.sampled_from(["", ", shadow", ",required , shadow"]),
    GAPS,
    st.one_of(st.just(""), GROUPED.map("when {} ".format)),
    st.lists(STATEMENTS, max_size=4).map("\n  ".join),
)

GIVENS = st.one_of(
    st.builds("given {} {}".format, st.sampled_from(["request", "response", "events"]), TABLES),
    st.builds("given request from {}".format, STRINGS),
)
EXPECTATIONS = st.one_of(
    st.builds("expect {}".format, GROUPED),
    st.builds(
        "expect {} {}".format,
        st.sampled_from(
            ["changed", "matched", "unmatched", "shadowed", "failed", "unreached", "snapshot", "stopped by"]
        ),
        STRINGS,
    ),
    st.builds("expect unchanged {}".format, PATHS),
    st.builds("expect attempt 2 {}".format, GROUPED),
    st.builds("expect attempt  1 unchanged {}".format, PATHS),
    st.sampled_from(["expect retried", "expect retried 2"]),
)
TESTS = st.builds(
    "test {}\n  {}\n  {}\nend".format,
    STRINGS,
    st.lists(GIVENS, max_size=3).map("\n  ".join),
    st.lists(EXPECTATIONS, max_size=4).map("\n  ".join),
)
USES = st.builds("use {}{}".format, STRINGS, st.one_of(st.just(""), TABLES.map(" with {}".format)))
LOCALS = st.builds("local {} = {}".format, NAMES, GROUPED)

FILES = st.lists(st.one_of(RULES, RULES, TESTS, USES, LOCALS), max_size=4).map("\n".join)
"""Texts of whole files. They parse, and mean nothing."""
