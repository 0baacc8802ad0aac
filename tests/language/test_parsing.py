"""From text to tree: what stands in the tree, and where."""

from pathlib import Path
from textwrap import dedent

import pytest

from ruleproxy.language import syntax
from ruleproxy.language.parsing import parse, parse_expression
from ruleproxy.language.reading import source_from_text
from ruleproxy.language.source import Source, Span
from ruleproxy.language.walking import children

EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.rules"))


def read_example(path: Path) -> Source:
    return source_from_text(path.name, path.read_text(encoding="utf-8"))


def parse_clean(text: str) -> syntax.RulesFile:
    tree, diagnostics = parse(Source("test.rules", dedent(text)))
    assert diagnostics == []
    return tree


def parse_body(statements: str) -> tuple[syntax.Statement, ...]:
    tree = parse_clean(f'rule "a" on request then\n{statements}\nend\n')
    rule = tree.items[0]
    assert isinstance(rule, syntax.Rule)
    return rule.body


def parse_action(statement: str) -> syntax.Action:
    (action,) = parse_body(statement)
    assert isinstance(action, syntax.Action)
    return action


def every_node(node: syntax.Node) -> list[syntax.Node]:
    found = [node]
    for child in children(node):
        found += every_node(child)
    return found


def outline(expression: syntax.Expression) -> str:
    """An expression with all its parentheses."""
    match expression:
        case syntax.Binary(operator=operator, left=left, right=right):
            return f"({outline(left)} {operator} {outline(right)})"
        case syntax.Unary(operator=operator, operand=operand):
            return f"({operator} {outline(operand)})"
        case syntax.Group(inner=inner):
            return f"[{outline(inner)}]"
        case syntax.Path(base=syntax.Name(name=name), steps=steps):
            return name + "".join(f".{step.name}" for step in steps if isinstance(step, syntax.Member))
        case syntax.Literal(value=value):
            return repr(value)
        case _:
            raise AssertionError(expression)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_parse(path: Path) -> None:
    """Every example of the language is one, and holds rules."""
    tree, diagnostics = parse(read_example(path))
    assert diagnostics == []
    assert any(isinstance(item, syntax.Rule) for item in tree.items)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_spans_nest_and_expressions_parse_again(path: Path) -> None:
    """A node lies within its parent, and the text of an expression is the same expression on its own."""
    source = read_example(path)
    tree, _ = parse(source)
    for item in tree.items:
        for node in every_node(item):
            assert 0 <= node.span.start <= node.span.end <= len(source.text)
            assert source.slice(node.span).strip() == source.slice(node.span)
            for child in children(node):
                assert node.span.start <= child.span.start <= child.span.end <= node.span.end, (node, child)
            if isinstance(node, syntax.Literal) and source.text[node.span.end :].lstrip().startswith("="):
                continue
            if isinstance(
                node, syntax.Literal | syntax.Path | syntax.Table | syntax.Unary | syntax.Binary | syntax.Group
            ):
                again = parse_expression(source.slice(node.span))
                assert [type(part) for part in every_node(again)] == [type(part) for part in every_node(node)]


def test_guide_holds_its_items_in_order() -> None:
    """The guide's fifteen examples are the rules and tests that it names."""
    tree, _ = parse(read_example(Path(__file__).parent / "examples" / "guide.rules"))
    kinds = [type(item).__name__ for item in tree.items]
    assert kinds[:2] == ["Edition", "Use"]
    assert (kinds.count("Rule"), kinds.count("Local"), kinds.count("Test")) == (20, 2, 4)
    rule = next(item for item in tree.items if isinstance(item, syntax.Rule) and item.side.text == "failure")
    assert rule.name == "fake the stream when nothing comes"
    assert [action.verb for action in rule.body if isinstance(action, syntax.Action)] == ["fake_stream", "retry"]


FORMS = [
    ("rewrite x.y = 1", "rewrite", {"place", "value"}),
    ("inject { a = 1 } into x", "inject", {"object", "place"}),
    ("inject default { a = 1 } into x", "inject_default", {"object", "place"}),
    ("strip x.y", "strip", {"place"}),
    ('strip x at "a.b"', "strip_at", {"place", "location"}),
    ('strip "a" from x', "strip_from", {"value", "place"}),
    ("strip e in x where e.y", "strip_where", {"binding", "place", "condition"}),
    ("add 1 to x", "add", {"value", "place"}),
    ("add 1 to x last", "add", {"value", "place", "position"}),
    ("add 1 before x", "add_beside", {"value", "side", "neighbour"}),
    ('merge x by "role"', "merge", {"place", "key"}),
    ("keep { 1 } in x", "keep", {"names", "place"}),
    ('rename x.y to "z"', "rename", {"place", "name"}),
    ("move e in x where e.y to first", "move", {"binding", "place", "condition", "position"}),
    ("limit cache_control in x to 4", "limit", {"what", "place", "count"}),
    ("limit cache_control in x to 4, keep newest", "limit", {"what", "place", "count", "policy"}),
    ("fake_stream", "fake_stream", set()),
    ("fake_stream { ping_every = 1s }", "fake_stream", {"options"}),
    ("collect_stream", "collect_stream", set()),
    ("repair_stream", "repair_stream", set()),
    ("stop", "stop", set()),
    ("drop", "drop", set()),
    ("retry", "retry", set()),
    ("learn", "learn", set()),
    ("respond { status = 200 }", "respond", {"answer"}),
    ('note "a" .. x', "note", {"message"}),
    ('emit { type = "a" } before', "emit", {"event", "side"}),
]


@pytest.mark.parametrize(("text", "form", "roles"), FORMS, ids=[text for text, _, _ in FORMS])
def test_forms_and_roles(text: str, form: str, roles: set[str]) -> None:
    """Each way to write a verb has its form, and the roles of what stands in it."""
    action = parse_action(text)
    assert (action.verb, action.form, set(action.arguments)) == (text.split()[0], form, roles)
    assert action.span == Span(25, 25 + len(text))
    assert action.verb_span == Span(25, 25 + len(action.verb))


def test_words_of_forms() -> None:
    """What a form binds, and the words that choose among its ways, are words with their places."""
    move = parse_action("move e in x where e.y to first")
    binding, position = move.arguments["binding"], move.arguments["position"]
    assert (binding, position) == (syntax.Word(Span(30, 31), "e"), syntax.Word(Span(50, 55), "first"))


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (r'"a\tb\"\\\u{e9}\x41\0"', "string", 'a\tb"\\é' + "A\0"),
        ("[[\na\\d\n]]", "string", "a\\d\n"),
        ("[=[a]]b]=]", "string", "a]]b"),
        ("18446744073709551616", "int", 18446744073709551616),
        ("0.25", "float", 0.25),
        ("500ms", "duration", 0.5),
        ("10s", "duration", 10.0),
        ("1.5h", "duration", 5400.0),
        ("2m", "duration", 120.0),
        ("64kb", "size", 65536),
        ("2mb", "size", 2097152),
        ("true", "bool", True),
        ("null", "null", None),
        ("nil", "nil", None),
    ],
)
def test_constants(text: str, kind: str, value: object) -> None:
    """A constant has the value that its text stands for."""
    literal = parse_expression(text)
    assert isinstance(literal, syntax.Literal)
    assert (literal.kind, literal.value, type(literal.value)) == (kind, value, type(value))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a or b and c", "(a or (b and c))"),
        ("not a == b", "(not (a == b))"),
        ("not a in b", "(not (a in b))"),
        ("a ?? b == c .. d", "((a ?? b) == (c .. d))"),
        ("a .. b ?? c", "((a .. b) ?? c)"),
        ("a .. b + c", "(a .. (b + c))"),
        ("a - b - c", "((a - b) - c)"),
        ("- a - -b", "((- a) - (- b))"),
        ("(a or b) and not not c", "([(a or b)] and (not (not c)))"),
        ("a.end.in == first", "(a.end.in == first)"),
    ],
)
def test_binding_strength(text: str, expected: str) -> None:
    """Operators bind as the language says, and chains are read from the left."""
    assert outline(parse_expression(text)) == expected


def test_values_end_before_the_words_of_their_statement() -> None:
    """The value of `strip`, `add` and `keep` does not swallow `from`, `to` and `in`."""
    strip = parse_action('strip a ?? "b" .. c from x')
    assert outline(strip.arguments["value"]) == "(a ?? ('b' .. c))"  # type: ignore[arg-type]
    keep = parse_action("keep a ?? b in x")
    assert outline(keep.arguments["names"]) == "(a ?? b)"  # type: ignore[arg-type]


def test_tables() -> None:
    """Keys may be any word, lists have none, and a trailing comma says nothing."""
    table = parse_expression('{ type = 1, in = 2, ["a b"] = 3, end=4, }')
    assert isinstance(table, syntax.Table)
    keys = [field.key.value for field in table.fields if isinstance(field.key, syntax.Literal)]
    assert keys == ["type", "in", "a b", "end"]
    items = parse_expression("{ a == b, { 1 } }")
    assert isinstance(items, syntax.Table)
    assert [field.key for field in items.fields] == [None, None]


def test_branches() -> None:
    """Branches keep their order, and an `else` without statements is not the same as none."""
    (choice,) = parse_body("if a then stop elseif b then elseif c then drop stop else end")
    assert isinstance(choice, syntax.If)
    assert [len(branch.body) for branch in choice.branches] == [1, 0, 2]
    assert choice.otherwise == ()
    (plain,) = parse_body("if a then stop end")
    assert isinstance(plain, syntax.If)
    assert plain.otherwise is None


def test_expectations() -> None:
    """A verdict has what it is said of: a rule's name, a place, a number."""
    tree = parse_clean(
        """
        test "t"
          given request from "a.json"
          given response { status = 200 }
          expect stopped by "a"
          expect unchanged request.body
          expect retried 2
          expect retried
          expect request.body.a == 1
          expect attempt 2 request.body.a == 1
          expect attempt 1 unchanged request.body
        end
        """
    )
    test = tree.items[0]
    assert isinstance(test, syntax.Test)
    assert [(given.subject.text, given.capture) for given in test.givens] == [("request", "a.json"), ("response", None)]
    verdicts = [expectation.verdict for expectation in test.expectations]
    assert verdicts == ["stopped_by", "unchanged", "retried", "retried", None, None, "unchanged"]
    assert [expectation.attempt for expectation in test.expectations[4:]] == [None, 2, 1]
    assert test.expectations[0].subject == "a"
    assert isinstance(test.expectations[1].subject, syntax.Path)
    assert (test.expectations[2].subject, test.expectations[3].subject) == (2, None)


def test_comments_are_kept() -> None:
    """All comments are in the tree in order; what looks like one inside a string is none."""
    tree = parse_clean('-- a\nlocal x = "-- no" --[[ b\n]] local y = [[ -- no ]] -- c\n')
    assert [comment.text for comment in tree.comments] == ["-- a", "--[[ b\n]]", "-- c"]


def test_good_items_survive_bad_ones() -> None:
    """One mistake costs its own item only, and each item reports its own."""
    text = 'local a = 1\nlocal b = \nrule "x" on request then\n  stop\n  oops 1\nend\nlocal c = 2\ntest "t"\n'
    tree, diagnostics = parse(Source("a", text))
    assert [item.name for item in tree.items if isinstance(item, syntax.Local)] == ["a", "c"]
    assert [diagnostic.code for diagnostic in diagnostics] == ["RP101", "RP201", "RP102"]


def test_items_before_a_mistake_at_line_start_survive() -> None:
    """A misspelled item does not cost the one before it."""
    tree, diagnostics = parse(Source("a", 'rule "x" on request then\nend\nruel "y" on request then\nend\n'))
    assert [item.name for item in tree.items if isinstance(item, syntax.Rule)] == ["x"]
    assert [diagnostic.help for diagnostic in diagnostics] == [("did you mean `rule`?",)]


def test_long_strings_may_hold_what_begins_an_item() -> None:
    """A line in a long string or comment that reads `rule` begins none."""
    tree = parse_clean('local a = [[\nrule "x" on request then\n]]\n--[[\ntest "x"\n]]\nlocal b = 1\n')
    assert len(tree.items) == 2


def test_unindented_locals_stay_in_their_rule() -> None:
    """A `local` at the beginning of a line belongs to a rule that would else have no end."""
    tree = parse_clean('rule "x" on request then\nlocal a = 1\nlocal b = 2\nnote a .. b\nend\nlocal c = 1\n')
    rule, constant = tree.items
    assert isinstance(rule, syntax.Rule)
    assert len(rule.body) == 3
    assert isinstance(constant, syntax.Local)


def test_moved_chunks_have_their_new_places() -> None:
    """A rule that was parsed before and now stands elsewhere is the same tree at its new place."""
    rule = 'rule "moved" on request then\n  strip "a" from request.headers["b"]\nend\n'
    here = parse_clean(rule).items[0]
    source = Source("b", f"local x = 1\n\n{rule}")
    there = parse(source)[0].items[1]
    assert [source.slice(node.span) for node in every_node(there)] == [
        rule[node.span.start : node.span.end] for node in every_node(here)
    ]


def test_same_text_gives_equal_trees() -> None:
    """Parsing twice gives the same tree, out of memory or not."""
    text = 'rule "twice" on request then\n  stop\nend\n'
    assert parse_clean(text) == parse_clean(text)
