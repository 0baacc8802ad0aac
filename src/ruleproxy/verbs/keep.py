"""`keep`: take everything away but some names."""

from __future__ import annotations

from collections.abc import Sequence

from ruleproxy.language.signatures import Example, Form, Place, Value, Verb
from ruleproxy.language.types import LIST
from ruleproxy.messages import places, values
from ruleproxy.messages.nodes import ListNode, ObjectNode, plain
from ruleproxy.messages.values import EditRefused
from ruleproxy.verbs.context import Context


def _keep(context: Context, names: values.Value, place: Sequence[places.Place]) -> None:
    wanted = plain(names)
    if not isinstance(wanted, list):
        raise EditRefused(f"keep takes a list of names, this is {places.kind_of(names)}")
    for target in place:
        if isinstance(target, places.HeaderPlace):
            members = target.values()
            context.spend(len(members))
            kept = [member for member in members if member in wanted]
            if len(kept) < len(members):
                target.headers.write_values(target.name, kept)
            continue
        there = target.read()
        if isinstance(there, ObjectNode):
            context.spend(len(there))
            there.remove_all([name for name in there.names() if name not in wanted])
        elif isinstance(there, ListNode):
            context.spend(len(there))
            gone = [index for index, item in enumerate(there.values()) if plain(item) not in wanted]
            if gone:
                there.take_away(gone)


def _keep_is_idle(context: Context, names: values.Value, place: Sequence[values.Value]) -> bool:
    del context
    return all(
        isinstance(target, places.HeaderPlace) and all(member in names for member in target.values())
        for target in place
    )


VERB = Verb(
    name="keep",
    summary="take every member away but those named",
    prose="Works on an object (its members), on a list (its elements) and on a header (the members of its comma list; "
    "a header that becomes empty goes).",
    forms=(Form("keep", "keep NAMES in PLACE", {"names": Value(LIST), "place": Place("list")}, _keep, _keep_is_idle),),
    examples=(
        Example(
            'keep { "a", "c" } in request.headers["anthropic-beta"]',
            '{ headers = { ["anthropic-beta"] = "a,b,c" } }',
            '{ headers = { ["anthropic-beta"] = "a,c" } }',
        ),
        Example(
            'keep { "user_id" } in request.body.metadata',
            '{ body = { metadata = { user_id = "u", team = "t" } } }',
            '{ body = { metadata = { user_id = "u" } } }',
        ),
    ),
)
