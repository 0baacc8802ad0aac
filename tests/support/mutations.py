"""Slips of the pen in good files: each kind takes a file and gives it back with one slip, and the line of the slip."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping

Mutation = Callable[[list[str], random.Random], int | None]
"""Changes the lines in place and gives the number of the line (from 1), or None where the slip finds no place."""

TOKEN = re.compile(r'"[^"]*"|[A-Za-z_]\w*|~=|==|\?\?|\.\.|<=|>=|[^\s\w]|\d+')
PASTED = {
    "lua": (
        "local function f(x) return x end",
        "  request.body.model = nil",
        "  for i = 1, #request.body.tools do",
        "  for k, v in pairs(request.body) do",
        "  table.insert(request.body.tools, {})",
        "  if request.body.stream ~= nil and true then return end",
        '  request.headers["x"]:lower()',
    ),
    "js": (
        "  const model = request.body.model;",
        "  if (request.body.model === 'x') {",
        "  request.body.tools.forEach(tool => { delete tool.type })",
        "  // no comment",
        "  request.body.max_tokens += 1;",
        "  }",
        "  rewrite request.body.model = `claude-${request.path}`",
    ),
    "yaml": ("- name: models", "  when:", "    path: /v1/messages", "  set: { model: corp }", "---"),
    "python": (
        "  if request.body.model is None:",
        "  del request.body['model']",
        "  for tool in request.body.tools:",
        "  # no comment",
        "  request.body.model = None",
        "  rewrite request.body.model = f'claude-{1}'",
        "  elif request.path != '/':",
    ),
}
"""Lines of other languages."""


def pick(lines: list[str], chance: random.Random, wanted: Callable[[str], bool]) -> int | None:
    """The index of a line of a rule that can take a slip; lines of strings that hold lines are left alone."""
    inside = False
    found: list[int] = []
    for at, line in enumerate(lines):
        code = line.split("--")[0]
        inside = inside or code.startswith("rule ")
        if inside and code.strip() and "[[" not in code and wanted(code):
            found.append(at)
        if code.rstrip() == "end":
            inside = False
    return chance.choice(found) if found else None


def on_token(change: Callable[[list[str], int, random.Random], str | None], pattern: str = ".*") -> Mutation:
    """A slip in one token of a line; `change` gets the pieces of the line and which one is to change."""

    def mutate(lines: list[str], chance: random.Random) -> int | None:
        def fits(code: str) -> bool:
            return any(re.fullmatch(pattern, token) for token in TOKEN.findall(code))

        at = pick(lines, chance, fits)
        if at is None:
            return None
        code = lines[at].split("--")[0]
        pieces = re.split(f"({TOKEN.pattern})", code)
        places = [n for n in range(1, len(pieces), 2) if re.fullmatch(pattern, pieces[n])]
        changed = change(pieces, chance.choice(places), chance)
        if changed is None or changed == code:
            return None
        lines[at] = changed
        return at + 1

    return mutate


def replaced(pieces: list[str], at: int, new: str) -> str:
    """The line with another text in the place of a piece."""
    return "".join([*pieces[:at], new, *pieces[at + 1 :]])


def swap(pieces: list[str], at: int, _: random.Random) -> str | None:
    """Two neighbouring tokens change places."""
    if at + 2 >= len(pieces):
        return None
    pieces[at], pieces[at + 2] = pieces[at + 2], pieces[at]
    return "".join(pieces)


def misspell(pieces: list[str], at: int, chance: random.Random) -> str:
    """A name with one letter more, less, or another one."""
    name = pieces[at]
    where = chance.randrange(len(name))
    letter = chance.choice("aeinrstx")
    return replaced(
        pieces,
        at,
        chance.choice([name[:where] + name[where + 1 :], name[:where] + letter + name[where:],
                       name[:where] + letter + name[where + 1 :]]),
    )  # fmt: skip


def double_line(lines: list[str], chance: random.Random) -> int | None:
    """A line stands twice: the first, and the one below it."""
    at = pick(lines, chance, lambda code: code.strip() != "end")
    if at is None:
        return None
    lines.insert(at, lines[at])
    return at + 1


def lose_end(lines: list[str], chance: random.Random) -> int | None:
    """An `end` is missing: true is the line of what it ended, and found it may be where the next item begins."""
    at = pick(lines, chance, lambda code: code.strip() == "end")
    if at is None:
        return None
    indent = len(lines[at]) - len(lines[at].lstrip())
    opened = next(n for n in range(at - 1, -1, -1) if len(lines[n]) - len(lines[n].lstrip()) == indent and
                  lines[n].lstrip().startswith(("rule", "if", "for", "elseif", "else")))  # fmt: skip
    del lines[at]
    return opened + 1


def begin_comment(lines: list[str], chance: random.Random) -> int | None:
    """A comment that is begun and never ended."""
    at = pick(lines, chance, lambda _: True)
    if at is None:
        return None
    lines.insert(at, "--[[ " + chance.choice(["old:", "a [[string]] in it", "--[[ nested ]=]"]))
    return at + 1


def with_tabs(lines: list[str], chance: random.Random) -> int | None:
    """A line that is indented by a tab, with another slip in it."""
    at = pick(lines, chance, lambda code: code.startswith("  ") and "==" in code)
    if at is None:
        return None
    lines[at] = "\t" + lines[at].strip().replace("==", "!=")
    return at + 1


def paste(language: str) -> Mutation:
    """A line of another language."""

    def mutate(lines: list[str], chance: random.Random) -> int | None:
        at = pick(
            lines, chance, lambda code: code.startswith("  ") and not code.rstrip().endswith((",", "{", "(", "and"))
        )
        if at is None:
            return None
        lines.insert(at, chance.choice(PASTED[language]))
        return at + 1

    return mutate


WORDS = "when|then|if|rule|on|end|for|in|do|and|or|not|rewrite|strip|inject|add|into|to|from|where|local|stop|retry"

MUTATIONS: Mapping[str, Mutation] = {
    "a token lost": on_token(lambda pieces, at, _: replaced(pieces, at, ""), r"(?!end\b).*"),
    "two tokens swapped": on_token(swap),
    "a line doubled": double_line,
    "a name misspelt": on_token(misspell, r"(?!(?:" + WORDS + r")\b)[a-z_]{4,}"),
    "a keyword misspelt": on_token(misspell, "when|then|rule|rewrite|strip|inject|move|limit|where|local"),
    "a quote lost": on_token(lambda pieces, at, chance: replaced(
        pieces, at, chance.choice([pieces[at][1:], pieces[at][:-1]])), '"[^"]+"'),
    "an end lost": lose_end,
    "== for =": on_token(lambda pieces, at, _: replaced(pieces, at, "=="), "="),
    "= for ==": on_token(lambda pieces, at, _: replaced(pieces, at, "="), "=="),
    "!= for ~=": on_token(lambda pieces, at, _: replaced(pieces, at, "!="), "~="),
    "a comment without end": begin_comment,
    "curly quotes": on_token(lambda pieces, at, _: replaced(pieces, at, f"“{pieces[at][1:-1]}”"), '"[^"]*"'),
    "single quotes": on_token(lambda pieces, at, _: replaced(pieces, at, f"'{pieces[at][1:-1]}'"), '"[^"]*"'),
    "tabs": with_tabs,
    "else if": on_token(lambda pieces, at, _: replaced(pieces, at, "else if"), "elseif"),
    "then lost": on_token(lambda pieces, at, _: replaced(pieces, at, ""), "then"),
    "do lost": on_token(lambda pieces, at, _: replaced(pieces, at, ""), "do"),
    "capital keyword": on_token(lambda pieces, at, _: replaced(pieces, at, pieces[at].upper()), WORDS),
    "Capital keyword": on_token(lambda pieces, at, _: replaced(pieces, at, pieces[at].title()), WORDS),
    "a bracket lost": on_token(lambda pieces, at, _: replaced(pieces, at, ""), r"[(){}\[\]]"),
    "a comma for a semicolon": on_token(lambda pieces, at, _: replaced(pieces, at, ";"), ","),
    **{f"pasted {language}": paste(language) for language in PASTED},
}  # fmt: skip
"""Every kind of slip by its name."""
