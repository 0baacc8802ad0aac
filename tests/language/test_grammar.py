"""The grammar as an artefact: without conflicts, and in step with what Python says of it."""

import re

from lark import Lark

from ruleproxy.language import words
from ruleproxy.language.building import Builder
from ruleproxy.language.parsing import load_parser
from ruleproxy.resources import find_resource, grammar_text, packs_folder


def test_has_no_conflicts_and_no_colliding_tokens() -> None:
    """Lark's strict mode refuses shift/reduce conflicts and tokens that match the same text."""
    Lark(grammar_text(), parser="lalr", lexer="contextual", start=["file", "expression"], strict=True)


def test_every_production_has_its_method() -> None:
    """What the grammar recognises and the builder does not know would come out as a tree of the parser's own."""
    lark = load_parser().lark
    named = {
        rule.alias or rule.origin.name for rule in lark.rules if not (rule.options.expand1 and len(rule.expansion) == 1)
    }
    productions = {name for name in named if not name.startswith("_")}
    assert productions
    assert {name for name in productions if not hasattr(Builder, name)} == set()


def test_reserved_words_are_those_that_names_exclude() -> None:
    """The words that messages call reserved are the fixed words of the grammar that are not soft."""
    terminals = {terminal.name: terminal.pattern.value for terminal in load_parser().lark.terminals}
    excluded = re.search(r"\(\?:([a-z_|]+)\)", terminals["NAME"])
    assert excluded is not None
    unused_lua = {"function", "while", "repeat", "until", "return", "break", "goto"}
    assert set(excluded[1].split("|")) == words.RESERVED | unused_lua


def test_groups_of_tokens_exist() -> None:
    """A token that a message speaks of is one of the grammar's."""
    terminals = {terminal.name for terminal in load_parser().lark.terminals}
    groups = (words.VERBS, words.BLOCKS, words.ITEMS, words.VALUE_STARTS, words.CONTINUATIONS)
    spoken_of = frozenset().union(*groups, words.CLOSERS, words.KINDS, words.SOFT_WORDS)
    assert spoken_of <= terminals


def test_resources_lie_in_the_checkout() -> None:
    """The grammar and the folder of packs are found without an installation."""
    assert find_resource("rules.lark", "grammar/rules.lark").name == "rules.lark"
    assert packs_folder().is_dir()
