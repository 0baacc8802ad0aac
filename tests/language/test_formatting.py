"""The one way to write a rules file."""

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleproxy.language import syntax
from ruleproxy.language.formatting import format_file
from ruleproxy.language.parsing import parse
from ruleproxy.language.source import Source, Span

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


def test_empty_file() -> None:
    """Nothing stays nothing."""
    assert format_text("\n\n") == ""
