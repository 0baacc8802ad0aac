"""The text of statements and expressions as the formatter writes them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from ruleproxy.language import syntax
from ruleproxy.language.source import Source, Span
from ruleproxy.language.tokens import split_tokens
from ruleproxy.language.walking import children

WIDEST_LINE = 120
"""Columns past which a table on one line is opened up, and a line of constants ends."""

TEMPLATES: Mapping[str, str] = MappingProxyType(
    {
        "rewrite": "rewrite {place} = {value}",
        "inject": "inject {object} into {place}",
        "inject_default": "inject default {object} into {place}",
        "strip": "strip {place}",
        "strip_at": "strip {place} at {location}",
        "strip_from": "strip {value} from {place}",
        "strip_where": "strip {binding} in {place}{gap}where {condition}",
        "add": "add {value} to {place}{position}",
        "add_beside": "add {value} {side} {neighbour}",
        "keep": "keep {names} in {place}",
        "merge": "merge {place} by {key}",
        "rename": "rename {place} to {name}",
        "move": "move {binding} in {place}{gap}where {condition} to {position}",
        "limit": "limit {what} in {place} to {count}{policy}",
        "fake_stream": "fake_stream{options}",
        "respond": "respond {answer}",
        "note": "note {message}",
        "emit": "emit {event} {side}",
    }
)
"""How each form is written; a form that is not here is its verb alone."""

OPTIONAL = {("add", "position"): " ", ("limit", "policy"): ", keep ", ("fake_stream", "options"): " "}
"""What stands before an argument that need not be there."""


class Breaks(NamedTuple):
    """What in an expression takes more than a line.

    `opens`: a table whose first field stands on a line of its own. `inside`: a constant that holds lines, or an
    operator on another line than what stands before it.
    """

    opens: bool
    inside: bool


class Phrasing:
    """Writes the parts of one file; its comments are taken one after the other as the text reaches them."""

    def __init__(self, source: Source, comments: list[syntax.Comment]) -> None:
        self.source = source
        self.comments = comments
        self.starts = [comment.span.start for comment in comments]
        self.ends = {comment.span.start: comment.span.end for comment in comments}
        self.taken = 0
        self.breaks: dict[Span, Breaks] = {}
        self.written: dict[tuple[Span, str, int], str] = {}
        """Tables without comments as they were written at an indentation and a column: a table that does not fit on a
        line is tried at each of the tables around it, and would else be written twice as often at every level."""

    # Comments

    def take_before(self, end: int) -> list[syntax.Comment]:
        """The comments not yet taken that begin before `end`."""
        first = self.taken
        while self.taken < len(self.comments) and self.comments[self.taken].span.start < end:
            self.taken += 1
        return self.comments[first : self.taken]

    def take_beside(self, end: int) -> str:
        """The comment on the line on which something ends, as it is written beside it; empty if there is none."""
        if self.taken == len(self.comments):
            return ""
        comment = self.comments[self.taken]
        between = self.source.text[end : comment.span.start] if comment.span.start >= end else "\n"
        if between.strip(" \t,") or "\n" in comment.text:
            return ""
        self.taken += 1
        return f"  {comment.text.rstrip()}"

    def holds_comment(self, node: syntax.Node) -> bool:
        """Whether a comment not yet taken stands inside a node."""
        at = bisect_left(self.starts, node.span.start, lo=self.taken)
        return at < len(self.starts) and self.starts[at] < node.span.end

    def own_comments_end(self, node: syntax.Node) -> int:
        """Up to where comments inside a statement go before it: the first table that will keep its own."""
        if not self.holds_comment(node):
            return node.span.start
        starts = [table.span.start for table in tables_in(node) if self.holds_comment(table)]
        return min(starts, default=node.span.end)

    def skip(self, offset: int) -> int:
        """The first offset from here on that is neither space nor in a comment."""
        text = self.source.text
        while offset < len(text):
            if offset in self.ends:
                offset = self.ends[offset]
            elif text[offset] in " \t\n":
                offset += 1
            else:
                break
        return offset

    def skip_to_word(self, offset: int, word: str) -> int:
        """Where a word stands that is the next thing after an offset."""
        found = self.skip(offset)
        if self.source.text.startswith("then", found) and word != "then":
            found = self.skip(found + len("then"))
        assert self.source.text.startswith(word, found), (word, found)
        return found

    # Statements

    def statement(self, statement: syntax.Action | syntax.Local, indent: str) -> str:
        """The text of a statement that is no block."""
        if isinstance(statement, syntax.Local):
            start = f"local {statement.name} = "
            return start + self.expression(statement.value, indent, len(start))
        template = TEMPLATES.get(statement.form, statement.verb)
        written = {"position": "", "policy": "", "options": "", "gap": " "}
        tables = [role for role, argument in statement.arguments.items() if isinstance(argument, syntax.Table)]
        # What stands around a table says how much room is left for it; comments are taken in their order.
        first = [] if self.holds_comment(statement) else [role for role in statement.arguments if role not in tables]
        for role in dict.fromkeys((*first, *statement.arguments)):
            lead = OPTIONAL.get((statement.form, role), "")
            column = len(statement.verb) + 1
            if first and role in tables:
                column = len(template.format_map({**dict.fromkeys(statement.arguments, ""), **written}))
            written[role] = lead + self.argument(statement.arguments[role], indent, column)
        condition, place = statement.arguments.get("condition"), statement.arguments.get("place")
        if condition is not None and place is not None:
            if "\n" in self.source.text[place.span.end : condition.span.start]:
                written["gap"] = f"\n{indent}  "
        return template.format_map(written)

    def argument(self, argument: syntax.Argument, indent: str, column: int) -> str:
        """The text of what stands in a statement."""
        if isinstance(argument, syntax.Word):
            return argument.text
        return self.expression(argument, indent, column)

    def part_of_test(self, part: syntax.Given | syntax.Expect, indent: str) -> str:
        """The text of a `given` or `expect`."""
        if isinstance(part, syntax.Expect):
            start = "expect " if part.attempt is None else f"expect attempt {part.attempt} "
            if part.condition is not None:
                return start + self.expression(part.condition, indent, len(start))
            return start + self.verdict(part)
        start = f"given {part.subject.text} "
        if part.table is not None:
            return start + self.expression(part.table, indent, len(start))
        return f"{start}from {self.last_string(part)}"

    def verdict(self, part: syntax.Expect) -> str:
        """The text of a verdict and what it is said of."""
        words = "stopped by" if part.verdict == "stopped_by" else part.verdict
        if isinstance(part.subject, syntax.Path):
            return f"{words} {self.expression(part.subject, '', 0)}"
        if not isinstance(part.subject, str):
            return f"{words}" if part.subject is None else f"{words} {part.subject}"
        return f"{words} {self.last_string(part)}"

    def last_string(self, part: syntax.Given | syntax.Expect) -> str:
        """The string at the end of a part of a test, as its author wrote it."""
        return split_tokens(self.source.text, part.span.start, part.span.end)[-1].text

    # Expressions

    def expression(self, expression: syntax.Expression, indent: str, column: int) -> str:
        """The text of an expression that begins `column` characters after the indentation of its statement."""
        match expression:
            case syntax.Literal(span=span):
                return self.source.slice(span)
            case syntax.Group(inner=inner):
                return f"({self.expression(inner, indent, column)})"
            case syntax.Unary(operator=operator, operand=operand):
                apart = operator == "not" or isinstance(operand, syntax.Unary)
                return f"{operator}{' ' if apart else ''}{self.expression(operand, indent, column)}"
            case syntax.Binary(operator=operator, left=left, right=right):
                broken = "\n" in self.source.text[left.span.end : right.span.start]
                gap = f"\n{indent}  " if broken else " "
                first, second = (self.expression(side, indent, column) for side in (left, right))
                return f"{first}{gap}{operator} {second}"
            case syntax.Path():
                return self.path(expression, indent, column)
            case syntax.Table():
                return self.table(expression, indent, column)

    def path(self, path: syntax.Path, indent: str, column: int) -> str:
        """The text of a path."""
        text = path.base.name if isinstance(path.base, syntax.Name) else self.call(path.base, indent, column)
        for step in path.steps:
            match step:
                case syntax.Member(name=name):
                    text += f".{name}"
                case syntax.Every():
                    text += "[*]"
                case syntax.AnyDepth():
                    text += "[**]"
                case syntax.Index(key=key):
                    text += self.bracketed(key, indent, column)
        return text

    def call(self, call: syntax.Call, indent: str, column: int) -> str:
        """The text of a call."""
        arguments = (self.expression(argument, indent, column) for argument in call.arguments)
        return f"{call.function}({', '.join(arguments)})"

    def bracketed(self, key: syntax.Expression, indent: str, column: int) -> str:
        """`[key]`, with space around a long string, whose bracket would else become another."""
        text = self.expression(key, indent, column)
        return f"[ {text} ]" if text.startswith("[") else f"[{text}]"

    def table(self, table: syntax.Table, indent: str, column: int) -> str:
        """The text of a table: on one line, or a field a line."""
        if not table.fields and not self.holds_comment(table):
            return "{}"
        if self.holds_comment(table):
            return self.open_table(table, indent)
        key = (table.span, indent, column)
        if key not in self.written:
            line = None if self.is_crowded(table) else self.on_one_line(table, indent, column)
            self.written[key] = self.open_table(table, indent) if line is None else line
        return self.written[key]

    def on_one_line(self, table: syntax.Table, indent: str, column: int) -> str | None:
        """The text of a table on one line; None where it does not fit, or one in it does not."""
        fields = ", ".join(self.field(field, indent, 0) for field in table.fields)
        line = f"{{ {fields} }}"
        fits = len(indent) + column + len(line.partition("\n")[0]) <= WIDEST_LINE
        return line if fits and "{\n" not in line else None

    def open_table(self, table: syntax.Table, indent: str) -> str:
        """The text of a table with a field a line, or constants filled."""
        inner = f"{indent}  "
        if self.is_filled(table):
            return "\n".join(["{", *self.fill(table, inner), f"{indent}}}"])
        lines = ["{"]
        for field in table.fields:
            lines += [f"{inner}{comment.text.rstrip()}" for comment in self.take_before(field.span.start)]
            text = self.field(field, inner, 0)
            lines.append(f"{inner}{text},{self.take_beside(field.span.end)}")
        lines += [f"{inner}{comment.text.rstrip()}" for comment in self.take_before(table.span.end)]
        return "\n".join([*lines, f"{indent}}}"])

    def is_filled(self, table: syntax.Table) -> bool:
        """Whether an open table is a list of constants, some of them beside each other, with no comment between."""
        constants = all(field.key is None and isinstance(field.value, syntax.Literal) for field in table.fields)
        if not constants or self.holds_comment(table):
            return False
        gaps = zip(table.fields, table.fields[1:], strict=False)
        text = self.source.text
        return any("\n" not in text[one.span.end : other.span.start] for one, other in gaps)

    def fill(self, table: syntax.Table, indent: str) -> list[str]:
        """The constants of a list, as many on a line as there is room for."""
        lines = [indent]
        for field in table.fields:
            text = f"{self.field(field, indent, 0)},"
            if lines[-1] != indent and len(lines[-1]) + 1 + len(text) > WIDEST_LINE:
                lines.append(indent)
            lines[-1] += text if lines[-1] == indent else f" {text}"
        return lines

    def is_crowded(self, table: syntax.Table) -> bool:
        """Whether a table has to open, whatever it would look like on a line."""
        breaks = self.find_breaks(table)
        if breaks.opens or breaks.inside:
            return breaks.opens
        beginning = self.source.text[table.span.start : min(table.span.end, table.span.start + 20 * WIDEST_LINE)]
        return len("".join(beginning.split())) > WIDEST_LINE

    def find_breaks(self, node: syntax.Node) -> Breaks:
        """Where an expression breaks, looked up once for each table."""
        if isinstance(node, syntax.Table) and node.span in self.breaks:
            return self.breaks[node.span]
        text = self.source.text
        below = [self.find_breaks(child) for child in children(node)]
        opens, inside = any(found.opens for found in below), any(found.inside for found in below)
        match node:
            case syntax.Table(fields=(first, *_)):
                opens = opens or "\n" in text[node.span.start : first.span.start]
            case syntax.Binary(left=left, right=right):
                inside = inside or "\n" in text[left.span.end : right.span.start]
            case syntax.Literal(kind="string"):
                inside = "\n" in self.source.slice(node.span)
        found = Breaks(opens, inside)
        if isinstance(node, syntax.Table):
            self.breaks[node.span] = found
        return found

    def field(self, field: syntax.Field, indent: str, column: int) -> str:
        """The text of a field."""
        if field.key is None:
            return self.expression(field.value, indent, column)
        if self.source.text[field.span.start] == "[":
            start = f"{self.bracketed(field.key, indent, column)} = "
        else:
            start = f"{self.source.slice(field.key.span)} = "
        return start + self.expression(field.value, indent, column + len(start))


def tables_in(node: syntax.Node) -> list[syntax.Table]:
    """The tables in a node, itself included, in the order in which they begin."""
    found = [node] if isinstance(node, syntax.Table) else []
    for child in children(node):
        found += tables_in(child)
    return sorted(found, key=lambda table: table.span.start)
