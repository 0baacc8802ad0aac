"""The one way to write a rules file.

Two spaces a level, one statement a line, an empty line between items, at most one inside. What stays as its author
wrote it: constants, parentheses, where a condition breaks before an operator, and whether a table stands on one
line (its first field beside the brace) or on many. Comments are kept: beside what they stood beside, else on lines
of their own before what follows; one in the middle of an expression moves before its statement.
"""

from __future__ import annotations

from collections.abc import Sequence

from ruleproxy.language import syntax
from ruleproxy.language.phrasing import Phrasing

INDENT = "  "


def format_file(tree: syntax.RulesFile) -> str:
    """The text of a file that parsed without diagnostics; formatting it again changes nothing."""
    layout = Layout(tree)
    for item in tree.items:
        layout.write_item(item)
    layout.write_comments(len(tree.source.text), "")
    text = "\n".join(layout.lines).strip("\n")
    return f"{text}\n" if text else ""


class Layout:
    """The lines written so far, and the comments still to come."""

    def __init__(self, tree: syntax.RulesFile) -> None:
        self.source = tree.source
        self.lines: list[str] = []
        self.phrasing = Phrasing(tree.source, list(tree.comments))
        self.at_block_start = False
        """Whether the next line is the first of its block: no empty line stands before it."""
        self.compact = False
        """Whether the item written last is one that may stand without an empty line before the next."""

    # Lines

    def write(self, start: int, indent: str, text: str, end: int) -> None:
        """Write what stands at `start` and ends at `end`, and the comment beside its end."""
        self.separate(start)
        beside = self.phrasing.take_beside(end)
        self.lines.append(f"{indent}{text}{beside}")

    def separate(self, start: int) -> None:
        """Keep one empty line where the author left any, except at the beginning of a block."""
        before = self.source.text[max(0, start - 400) : start]
        gap = before[len(before.rstrip(" \t\n")) :]
        if gap.count("\n") > 1 and self.lines and self.lines[-1] and not self.at_block_start:
            self.lines.append("")

    def write_comments(self, end: int, indent: str) -> None:
        """Write the comments that begin before `end`, each on its own line."""
        for comment in self.phrasing.take_before(end):
            self.separate(comment.span.start)
            self.lines.append(f"{indent}{comment.text.rstrip()}")
            self.at_block_start = False

    def write_end(self, node: syntax.Node, indent: str) -> None:
        """Write the `end` of a block, after the comments that stand before it."""
        start = node.span.end - len("end")
        self.write_comments(start, indent + INDENT)
        self.at_block_start = True
        self.write(start, indent, "end", node.span.end)
        self.at_block_start = False

    # Items

    def write_item(self, item: syntax.Item) -> None:
        """Write an item and the comments before it, an empty line before them."""
        compact = isinstance(item, syntax.Edition | syntax.Use | syntax.Local)
        beginning = len(self.lines)
        self.write_comments(item.span.start, "")
        between = beginning < len(self.lines)
        if beginning and not (compact and self.compact) and self.lines[beginning - 1]:
            if not between or self.lines[beginning]:
                self.lines.insert(beginning, "")
        match item:
            case syntax.Edition(span=span, number=number):
                self.write(span.start, "", f"edition {number}", span.end)
            case syntax.Use(span=span, pack_span=pack, parameters=parameters):
                self.write_comments(self.phrasing.own_comments_end(item), "")
                given = "" if parameters is None else f" with {self.phrasing.expression(parameters, '', 10)}"
                self.write(span.start, "", f"use {self.source.slice(pack)}{given}", span.end)
            case syntax.Local():
                self.write_statement(item, "")
            case syntax.Rule():
                self.write_rule(item)
            case syntax.Test():
                self.write_test(item)
        self.compact = compact

    def write_rule(self, rule: syntax.Rule) -> None:
        """Write a rule."""
        self.write_comments(rule.then_span.start, "")
        flags = "".join(f", {flag.text}" for flag in rule.flags)
        header = f"rule {self.source.slice(rule.name_span)} on {rule.side.text}{flags}"
        if rule.condition is not None:
            header += f"\nwhen {self.phrasing.expression(rule.condition, '', 5)}"
        self.write(rule.span.start, "", f"{header} then", rule.then_span.end)
        self.write_body(rule.body, INDENT)
        self.write_end(rule, "")

    def write_test(self, test: syntax.Test) -> None:
        """Write a test."""
        self.write(test.span.start, "", f"test {self.source.slice(test.name_span)}", test.name_span.end)
        self.at_block_start = True
        parts: tuple[syntax.Given | syntax.Expect, ...] = (*test.givens, *test.expectations)
        for part in parts:
            self.write_comments(part.span.start, INDENT)
            self.write_comments(self.phrasing.own_comments_end(part), INDENT)
            self.write(part.span.start, INDENT, self.phrasing.part_of_test(part, INDENT), part.span.end)
            self.at_block_start = False
        self.write_end(test, "")

    # Statements

    def write_body(self, body: Sequence[syntax.Statement], indent: str) -> None:
        """Write the statements of a block."""
        self.at_block_start = True
        for statement in body:
            self.write_comments(statement.span.start, indent)
            self.write_statement(statement, indent)
            self.at_block_start = False

    def write_statement(self, statement: syntax.Statement, indent: str) -> None:
        """Write one statement, blocks with what is in them."""
        match statement:
            case syntax.For():
                self.write_loop(statement, indent)
            case syntax.If():
                self.write_branches(statement, indent)
            case _:
                self.write_comments(self.phrasing.own_comments_end(statement), indent)
                text = self.phrasing.statement(statement, indent)
                self.write(statement.span.start, indent, text, statement.span.end)

    def write_loop(self, loop: syntax.For, indent: str) -> None:
        """Write a `for` and its body."""
        do = self.phrasing.skip(loop.iterable.span.end)
        self.write_comments(do, indent)
        header = f"for {loop.variable} in {self.phrasing.expression(loop.iterable, indent, 10)} do"
        self.write(loop.span.start, indent, header, do + len("do"))
        self.write_body(loop.body, indent + INDENT)
        self.write_end(loop, indent)

    def write_branches(self, choice: syntax.If, indent: str) -> None:
        """Write an `if` with all its branches."""
        word = "if"
        for branch in choice.branches:
            self.write_comments(branch.span.start, indent if word == "if" else indent + INDENT)
            then = self.phrasing.skip(branch.condition.span.end)
            moved = self.phrasing.take_before(then)
            self.at_block_start = self.at_block_start or word != "if"
            header = f"{word} {self.phrasing.expression(branch.condition, indent, 7)} then"
            self.write(branch.span.start, indent, header, then + len("then"))
            self.at_block_start = True
            self.lines += [f"{indent}{INDENT}{comment.text.rstrip()}" for comment in moved]
            self.at_block_start = not moved
            self.write_body(branch.body, indent + INDENT)
            word = "elseif"
        if choice.otherwise is not None:
            start = self.phrasing.skip_to_word(choice.branches[-1].span.end, "else")
            self.write_comments(start, indent + INDENT)
            self.at_block_start = True
            self.write(start, indent, "else", start + len("else"))
            self.write_body(choice.otherwise, indent + INDENT)
        self.write_end(choice, indent)
