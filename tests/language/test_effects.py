"""What rules read, write and may do."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleproxy.engine.vocabulary import load_vocabulary
from ruleproxy.language import syntax
from ruleproxy.language.effects import Effects, rule_effects
from ruleproxy.language.parsing import parse, parse_expression
from ruleproxy.language.source import Source


def effects_of(text: str) -> Effects:
    tree, problems = parse(Source("a.rules", text))
    assert problems == []
    rule = tree.items[0]
    assert isinstance(rule, syntax.Rule)
    return rule_effects(rule, load_vocabulary())


def effects_of_condition(condition: str, flags: str = "") -> Effects:
    return effects_of(f'rule "a" on request{flags} when {condition} then\n  stop\nend\n')


@pytest.mark.parametrize(
    ("condition", "methods", "paths"),
    [
        ('request.method == "POST" and request.path == "/v1/messages"', {"POST"}, {"/v1/messages"}),
        ('"POST" == (request.method)', {"POST"}, None),
        ('request.path in { "/a", "/b" } and request.path == "/a"', None, {"/a"}),
        ('request.path == "/a" or request.path == "/b" and request.method == "PUT"', None, {"/a", "/b"}),
        ('request.path == "/a" or request.wants_stream', None, None),
        ('not (request.path == "/a")', None, None),
        ('request.path ~= "/a"', None, None),
        ('original.request.path == "/a"', None, None),
        ('request.path in { "/a", lower("/B") }', None, None),
        ('request.path == "/a" and request.path == "/b"', None, set()),
        ('starts_with(request.path, "/a")', None, None),
        ('request.body.method == "a"', None, None),
    ],
)
def test_what_a_condition_asks_for(condition: str, methods: set[str] | None, paths: set[str] | None) -> None:
    """Method and path are known only where the condition cannot hold for any other."""
    found = effects_of_condition(condition)
    assert found.methods == (None if methods is None else frozenset(methods))
    assert found.paths == (None if paths is None else frozenset(paths))


METHODS = ("GET", "POST", "PUT")
PATHS = ("/a", "/b", "/c")


@st.composite
def conditions(draw: st.DrawFn, depth: int = 4) -> str:
    """A condition on method and path alone."""
    kind = draw(st.sampled_from(("leaf", "leaf", "and", "or", "not", "group") if depth else ("leaf",)))
    if kind in ("and", "or"):
        return f"({draw(conditions(depth - 1))}) {kind} ({draw(conditions(depth - 1))})"
    if kind in ("not", "group"):
        return f"{kind.replace('group', '')}({draw(conditions(depth - 1))})"
    attribute, values = draw(st.sampled_from((("request.method", METHODS), ("request.path", PATHS))))
    some = ", ".join(f'"{value}"' for value in draw(st.lists(st.sampled_from(values), min_size=1, max_size=3)))
    value = draw(st.sampled_from(values))
    return draw(
        st.sampled_from(
            (
                f'{attribute} == "{value}"',
                f'"{value}" == {attribute}',
                f'{attribute} ~= "{value}"',
                f"{attribute} in {{ {some} }}",
                f'original.{attribute} == "{value}"',
            )
        )
    )


def holds(node: syntax.Expression, method: str, path: str) -> bool:
    """The value of such a condition for a request that came as it is."""
    match node:
        case syntax.Group(inner=inner):
            return holds(inner, method, path)
        case syntax.Unary(operand=operand):
            return not holds(operand, method, path)
        case syntax.Binary(operator="and", left=left, right=right):
            return holds(left, method, path) and holds(right, method, path)
        case syntax.Binary(operator="or", left=left, right=right):
            return holds(left, method, path) or holds(right, method, path)
        case syntax.Binary(operator="in", left=left, right=syntax.Table(fields=fields)):
            return text_value(left, method, path) in [text_value(entry.value, method, path) for entry in fields]
        case syntax.Binary(operator=operator, left=left, right=right):
            return (text_value(left, method, path) == text_value(right, method, path)) == (operator == "==")
    raise AssertionError(node)


def text_value(node: syntax.Expression, method: str, path: str) -> str:
    if isinstance(node, syntax.Literal):
        return str(node.value)
    assert isinstance(node, syntax.Path)
    step = node.steps[-1]
    assert isinstance(step, syntax.Member)
    return {"method": method, "path": path}[step.name]


@settings(max_examples=300, deadline=None)
@given(conditions())
def test_no_message_is_left_out_on_which_a_rule_may_act(condition: str) -> None:
    """Whatever a condition is, what it asks for allows every request for which it holds."""
    found = effects_of_condition(condition)
    tree = parse_expression(condition)
    for method in METHODS:
        for path in PATHS:
            if holds(tree, method, path):
                assert found.methods is None or method in found.methods
                assert found.paths is None or path in found.paths


def test_a_rule_without_condition_may_act_on_anything() -> None:
    """No `when`, no restriction."""
    found = effects_of('rule "a" on response then\n  stop\nend\n')
    assert (found.methods, found.paths, found.side) == (None, None, "response")


def test_a_required_rule_acts_by_failing() -> None:
    """What comes after a part that may fail does not restrict a rule that refuses when it fails."""
    condition = 'request.method == "POST" and request.body.max_tokens > 4 and request.path == "/a"'
    assert effects_of_condition(condition).paths == frozenset(("/a",))
    required = effects_of_condition(condition, ", required")
    assert required.methods == frozenset(("POST",))
    assert required.paths is None
    assert effects_of_condition('request.body.stream and request.path == "/a"', ", required").paths is None
    assert (
        effects_of_condition('not (request.body.a == 1 or request.body.b) and request.path == "/a"', ", required").paths
        is None
    )


def test_paths_are_followed_through_variables() -> None:
    """Loops, locals, bound elements and functions that give elements stand for places in the message."""
    found = effects_of(
        """rule "a" on request then
  local metadata = request.body.metadata
  strip metadata.user_id
  for message in request.body.messages do
    local reply = next(message)
    add "x" to reply.content
    strip block in message.content where block.type == "text" and blank(block.text)
  end
  rewrite request.headers["X-Key"] = request.query.key
end
"""
    )
    assert found.writes == {
        "request.body.metadata.user_id",
        "request.body.messages[*].content",
        'request.headers["x-key"]',
    }
    assert found.reads >= {
        "request.body.messages",
        "request.body.messages[*].content[*].type",
        "request.body.messages[*].content[*].text",
        "request.query.key",
    }
    assert found.needs_request_body
    assert not found.needs_response_body


def test_a_name_after_its_block_is_another() -> None:
    """A variable of a loop stands for nothing behind the loop's end."""
    found = effects_of(
        """rule "a" on request then
  for value in request.body.tools do
    strip value.strict
  end
  for value in values(request.headers["a"]) do
    add value to request.headers["b"]
  end
end
"""
    )
    assert "request.body.tools[*].strict" in found.writes
    assert not any(path.startswith("request.body.tools[*]") for path in found.reads - {"request.body.tools[*].strict"})


@pytest.mark.parametrize(
    "condition",
    ['request.model == "a"', "request.wants_stream", "original.request.body.model ~= nil", 'request.body == "a"'],
)
def test_what_opens_the_body(condition: str) -> None:
    """Model and stream flag stand in the body, for clients that do not put them into the path."""
    assert effects_of_condition(condition).needs_request_body


def test_what_leaves_the_body_closed() -> None:
    """A rule on method, path and headers opens nothing."""
    found = effects_of_condition('request.method == "POST" and request.headers["a"] ~= nil')
    assert not found.needs_request_body
    assert found.can_stop


def test_verbs_of_a_rule() -> None:
    """What a rule may do besides editing is known from its verbs, wherever they stand."""
    found = effects_of(
        """rule "a" on response when not response.streamed then
  if response.body.type == "error" then
    fake_stream
    retry
  else
    respond { status = 502 }
  end
end
"""
    )
    assert found.can_retry
    assert found.can_respond
    assert found.can_fake
    assert not found.can_stop
    assert not found.can_drop
    assert found.needs_response_body
    assert found.needs_request_body


def test_what_neighbours_are_asked_for_is_read() -> None:
    """What stands behind `previous`, `next`, `first` and `last` is part of what a rule reads."""
    effects = effects_of(
        """rule "a" on request then
  for message in request.body.messages do
    strip block in message.content where not (block.tool_use_id in previous(message).content[*].id)
    local reply = next(message)
    if reply.role == "user" and first(reply.content).type == "text" then
      note last(request.body.system).text
    end
  end
end
"""
    )
    assert {
        "request.body.messages[*].content[*].id",
        "request.body.messages[*].role",
        "request.body.messages[*].content[*].type",
        "request.body.system[*].text",
    } <= effects.reads


def test_what_functions_compute_is_no_place() -> None:
    """A field of what a function made is not read from the message; what the function was given is."""
    effects = effects_of_condition('capture(request.path, [[(?P<id>a+)]]).id == "a"')
    assert effects.reads == {"request.path"}
