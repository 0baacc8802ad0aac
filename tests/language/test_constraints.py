"""What parts of conditions exclude and imply: never more than holds for every value."""

from hypothesis import given
from hypothesis import strategies as st

from ruleproxy.language.checking.constraints import Constant, Constraint, admits, excludes, implies, negate
from ruleproxy.language.checking.patterns import offer_plain
from ruleproxy.language.source import Span

VALUES: list[Constant | None] = [
    None,  # nil
    ("string", "a"),
    ("string", "b"),
    ("number", 1),
    ("number", 2),
    ("number", 2.5),
    ("bool", True),
    ("bool", False),
    ("null", None),
]

constants = st.frozensets(st.sampled_from([value for value in VALUES if value is not None]), min_size=1, max_size=3)
bounds = st.sampled_from([1, 2, 2.5])


def constraint(relation: str, **rest: object) -> Constraint:
    return Constraint(("request", "a"), Span(0, 0), relation, **rest)  # type: ignore[arg-type]


constraints = st.one_of(
    st.builds(lambda values: constraint("one of", values=values), constants),
    st.builds(lambda values: constraint("none of", values=values), constants),
    st.builds(lambda bound, there: constraint("above", bound=bound, inclusive=there), bounds, st.booleans()),
    st.builds(lambda bound, there: constraint("below", bound=bound, inclusive=there), bounds, st.booleans()),
    st.builds(
        lambda kinds: constraint("kind", kinds=frozenset(kinds)), st.sampled_from([{"string"}, {"int", "float"}])
    ),
    st.sampled_from([constraint("absent"), constraint("present")]),
)


def holds(asked: Constraint, value: Constant | None) -> bool:
    """Whether a part of a condition is true of a value, nil among them."""
    return asked.relation in ("absent", "none of") if value is None else admits(asked, value)


@given(constraints, constraints)
def test_what_excludes_one_another_never_holds_together(one: Constraint, other: Constraint) -> None:
    """No value meets two constraints that exclude one another."""
    if excludes(one, other):
        assert not any(holds(one, value) and holds(other, value) for value in VALUES)


@given(constraints, constraints)
def test_what_is_implied_holds(one: Constraint, other: Constraint) -> None:
    """Every value that meets a constraint meets what it implies."""
    if implies(one, other):
        assert all(holds(other, value) for value in VALUES if holds(one, value))


@given(constraints)
def test_opposites(asked: Constraint) -> None:
    """Of a constraint and its opposite one holds, but for comparisons, which fail where there is no number."""
    opposite = negate(asked)
    if opposite is None:
        return
    for value in VALUES:
        if asked.relation not in ("above", "below") or (value is not None and value[0] == "number"):
            assert holds(asked, value) != holds(opposite, value)


NEEDED = ("", ".*", "^$", "a.b", "a+", "(?i)a", "a|b", r"\d", "^(a|b+)$", "[ab]", "a{2}", r"\ba", "(a)", "^a|b$")


def test_plain_tests_for_patterns() -> None:
    """Patterns and what says the same without one; anything that is more than that is left alone."""
    assert offer_plain("x", "^a-b") == ("a prefix", 'starts_with(x, "a-b")')
    assert offer_plain("x", r"\.json$") == ("a suffix", 'ends_with(x, ".json")')
    assert offer_plain("x", ".*a/b.*") == ("a part", 'contains(x, "a/b")')
    assert offer_plain("x", r"^a\$$") == ("one text", 'x == "a$"')
    assert offer_plain("x", "^(?:a|b-c)$") == ("one of a few texts", 'x in { "a", "b-c" }')
    assert offer_plain("x", "^a.*b") == ("what a glob does", 'glob(x, "a*b*")')
    for pattern in NEEDED:
        assert offer_plain("x", pattern) is None, pattern
