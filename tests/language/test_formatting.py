"""The one way to write a rules file."""

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ruleproxy.language import syntax
from ruleproxy.language.formatting import format_file
from ruleproxy.language.parsing import parse
from ruleproxy.language.source import Source, Span
from ruleproxy.language.tokens import RawToken, split_tokens
from ruleproxy.resources import CHECKOUT, packs_folder
from support.generated_rules import FILES

EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.rules"))


def format_text(text: str) -> str:
    tree, diagnostics = parse(Source("a", text))
    assert diagnostics == [], text
    return format_file(tree)


def without_spans(value: Any) -> Any:
    if isinstance(value, syntax.Node):
        fields = (getattr(value, name) for name in value.__dataclass_fields__)
        return (type(value).__name__, *(without_spans(part) for part in fields))
    if isinstance(value, Span):
        return None
    if isinstance(value, tuple):
        return tuple(without_spans(part) for part in value)
    if isinstance(value, dict):
        return {name: without_spans(part) for name, part in value.items()}
    return value


def meaning(text: str) -> Any:
    tree, _ = parse(Source("a", text))
    return without_spans(tree.items), sorted(comment.text.rstrip() for comment in tree.comments)


def check_laws(text: str) -> None:
    formatted = format_text(text)
    assert meaning(formatted) == meaning(text)
    assert format_text(formatted) == formatted


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_formatting_keeps_the_meaning_and_settles_at_once(path: Path) -> None:
    """A formatted file means the same, keeps its comments, and formats to itself."""
    check_laws(path.read_text(encoding="utf-8"))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(EXAMPLES), st.data())
def test_any_spacing_and_comments(path: Path, data: st.DataObject) -> None:
    """Where lines break and comments stand makes no difference to the laws."""
    words = path.read_text(encoding="utf-8").split(" ")
    put_in = st.sampled_from([" ", "  ", " \n  ", " --[[ c ]] ", " -- d\n  ", "\n\n\n  "])
    at = data.draw(st.lists(st.integers(0, len(words) - 1), max_size=4))
    gaps = {index: data.draw(put_in) for index in at}
    text = "".join(f"{word}{gaps.get(index, ' ')}" for index, word in enumerate(words))
    _, diagnostics = parse(Source("a", text))
    if not diagnostics:
        check_laws(text)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(FILES)
def test_rules_made_by_chance(text: str) -> None:
    """Whatever parses keeps its meaning and settles at once: all statements, values, items, nested in any way."""
    check_laws(text)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(FILES, st.data())
def test_comments_in_rules_made_by_chance(text: str, data: st.DataObject) -> None:
    """Comments between any two words of any rules are all kept."""
    tokens = split_tokens(text, 0, len(text))
    comment = st.sampled_from([" -- c\n  ", " --[[ d ]] ", "\n  -- e\n  ", " --[[ f\n g ]]\n  "])
    after = data.draw(st.lists(st.integers(0, len(tokens)), max_size=5, unique=True))
    put_in = {place: data.draw(comment) for place in after}
    commented = insert_comments(text, tokens, put_in)
    if not parse(Source("a", commented))[1]:
        check_laws(commented)


def insert_comments(text: str, tokens: list[RawToken], put_in: dict[int, str]) -> str:
    """The text with something put in after so many of its tokens."""
    for place in sorted(put_in, reverse=True):
        at = tokens[place - 1].end if place else 0
        text = text[:at] + put_in[place] + text[at:]
    return text


FORMS = next(path for path in EXAMPLES if path.stem == "forms").read_text(encoding="utf-8")


def parts_of_forms() -> list[str]:
    """Every form of a statement in a rule of its own, and the other items of the file of all forms."""
    tree, _ = parse(Source("a", FORMS))
    parts = []
    for item in tree.items:
        if isinstance(item, syntax.Rule):
            parts.append(tree.source.text[item.span.start : item.then_span.end] + "\nend\n")
            statements = (tree.source.slice(statement.span) for statement in item.body)
            parts += [f'rule "a" on request then\n  {statement}\nend\n' for statement in statements]
        else:
            parts.append(tree.source.slice(item.span) + "\n")
    return parts


@pytest.mark.parametrize("comment", [" -- c\n", " --[[ c ]] "], ids=["line", "block"])
def test_no_comment_is_ever_lost(comment: str) -> None:
    """A comment after each single word of every form is kept, whatever the word."""
    kept = 0
    for part in parts_of_forms():
        tokens = split_tokens(part, 0, len(part))
        for place in range(len(tokens) + 1):
            commented = insert_comments(part, tokens, {place: comment})
            if not parse(Source("a", commented))[1]:
                check_laws(commented)
                kept += 1
    assert kept > 500


SHIPPED = sorted([*(CHECKOUT / "rules").glob("*.rules"), *packs_folder().rglob("*.rules")])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_shipped_rules_are_formatted(path: Path) -> None:
    """What is shipped is written the one way."""
    text = path.read_text(encoding="utf-8")
    assert format_text(text) == text


def test_the_house_style() -> None:
    """Spacing, blank lines and breaks become the usual ones; comments stay where they were."""
    text = """\
    -- head
    edition   1
    local a={1,2}   -- beside
    local b = {
    x=1, -- first
      ["y z"]=- -2}
    rule "r"   on request,shadow when a.b==1
        and not(b) then -- why


          strip  request . body . x


          -- before
          if a then stop else
              drop -- gone
              -- last
          end
       rewrite a[ [[k]] ] = "x"..lower( b ,1 )   ?? nil
       end
    test "t" given request{} expect changed   "r" end
    """
    expected = """\
    -- head
    edition 1
    local a = { 1, 2 }  -- beside
    local b = {
      x = 1,  -- first
      ["y z"] = - -2,
    }

    rule "r" on request, shadow
    when a.b == 1
      and not (b) then  -- why
      strip request.body.x

      -- before
      if a then
        stop
      else
        drop  -- gone
        -- last
      end
      rewrite a[ [[k]] ] = "x" .. lower(b, 1) ?? nil
    end

    test "t"
      given request {}
      expect changed "r"
    end
    """
    assert format_text(dedent(text)) == dedent(expected)


def test_wide_tables_open() -> None:
    """A table that does not fit on a line has a field on each."""
    fields = ", ".join(f"field_{number} = {number}" for number in range(12))
    formatted = format_text(f"local a = {{ {fields} }}\n")
    assert formatted.splitlines()[:2] == ["local a = {", "  field_0 = 0,"]
    assert format_text(formatted) == formatted


def test_room_is_reckoned_with_what_stands_around() -> None:
    """A table opens where its line, place and all, would be too long, and not before."""
    for statement in ("rewrite request.body.metadata = {}", "inject {} into request.body.metadata"):
        for length, lines in ((120, 3), (121, 6)):
            width = length - len("  " + statement.format('{ a = 1, b = "" }'))
            table = '{ a = 1, b = "' + "x" * width + '" }'
            formatted = format_text(f'rule "a" on request then\n  {statement.format(table)}\nend\n')
            assert len(formatted.splitlines()) == lines, formatted


def test_lists_of_constants_are_filled() -> None:
    """Constants that stood beside each other still do, as many as a line holds; one a line stays one a line."""
    names = [f'"name_{number:02}"' for number in range(24)]
    text = "local a = { " + ", ".join(names) + " }\nlocal b = {\n  1,\n  2,\n}\n"
    formatted = format_text(text)
    lines = formatted.splitlines()
    assert lines[0] == "local a = {"
    assert [len(line) for line in lines[1:4]] == [111, 111, 45]
    assert lines[4:] == ["}", "local b = {", "  1,", "  2,", "}"]
    assert format_text(formatted) == formatted


DEEP = {
    "a table in a table": "local a = " + "{ a = " * 90 + "1" + " }" * 90 + "\n",
    "a text of lines within": "local a = " + "{ a = " * 90 + "[[\n b\n c]]" + " }" * 90 + "\n",
    "much within": "local a = " + "{ a = " * 90 + ", ".join(["{ b = 1 }"] * 3000) + " }" * 90 + "\n",
    "comments within": ("local a = " + "{ a = { -- c\n" * 45 + "1" + " } }" * 45 + "\n") * 20,
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP.keys())
def test_deep_tables_end(text: str) -> None:
    """What does not fit on a line is not tried again at every level around it, which would never end."""
    check_laws(text)


def test_empty_file() -> None:
    """Nothing stays nothing."""
    assert format_text("\n\n") == ""
