"""Telling of a rule that it changes nothing, without opening the body. See `projection`."""

from __future__ import annotations

from typing import Any, Literal

from ruleproxy.engine.compiling import CompiledRule
from ruleproxy.engine.context import STEP_BUDGET, RunContext
from ruleproxy.engine.projection import Pick
from ruleproxy.messages.edited import EditedRequest
from ruleproxy.messages.headers import HeaderFields
from ruleproxy.messages.tree import Tree
from ruleproxy.messages.values import EditRefused

LARGE = 16_384
"""Bodies from so many bytes on are worth a thought whether to look at them first."""

_OFTEN = 2


class _PickedBody:
    """What a rule reads in place of the body."""

    __slots__ = ("root",)

    def __init__(self, root: Any) -> None:
        self.root = root


class _PickedRequest:
    """A request whose body is what was picked out of it; everything else is the request's own."""

    __slots__ = ("_request", "body")

    def __init__(self, request: EditedRequest, body: _PickedBody) -> None:
        self._request = request
        self.body = body

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)


class Worth:
    """Whether glances have been worth it of late: at bodies like the last ones, with the same rules.

    A look at a large body that has to be opened anyway is a third of its cost. Only the cost depends on this.
    """

    __slots__ = ("_in_vain",)

    def __init__(self) -> None:
        self._in_vain = 0

    def expects(self, size: int) -> bool:
        """Whether a glance at a body of this size is worth it."""
        return size < LARGE or self._in_vain < _OFTEN

    def learn(self, size: int, *, opened: bool) -> None:
        """Be told whether a body of this size had to be opened for what the rules did."""
        if size >= LARGE:
            self._in_vain = min(self._in_vain + 1, 2 * _OFTEN - 1) if opened else max(self._in_vain - 1, 0)


class Glance:
    """One look at the body of a request, taken when the first rule asks and kept for the others.

    At a body that is open as a tree there is no need to look: rules run on it. One of which every glance was in vain
    of late is opened at once.
    """

    __slots__ = ("_context", "_names", "_pick", "_steps", "_taken", "_worth", "request")

    def __init__(self, context: RunContext, pick: Pick, names: frozenset[str], worth: Worth) -> None:
        self._context = context
        self._pick = pick
        self._names = names
        self._taken = False
        self._worth = worth
        self._steps = 0
        self.request: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def spend(self, steps: int) -> None:
        """Looking has a budget of its own, for each rule: the other one is for what is done."""
        self._steps += steps
        if self._steps > STEP_BUDGET:
            raise EditRefused("this is too much to be looked at")

    def remark(self, text: str) -> None:
        """Nobody reads the trace of a glance."""

    @property
    def headers(self) -> HeaderFields:
        """The headers as they are now."""
        return self._context.request.headers

    def picked(self) -> dict[str, Any] | None:
        """What was picked out of the body, none of it where there is no body; None where that cannot be told."""
        if (tree := self._open_tree()) is not None:
            return tree.data if tree.pure and isinstance(tree.data, dict) else None
        if self._take():
            picked: dict[str, Any] = self.request.body.root
            return picked
        return None if self._context.request.body.source else {}

    def untouched(self, name: str) -> bool:
        """Whether a top-level member of the body is still as it was picked."""
        return self._open_tree() is not None or self._context.request.body.untouched((name,))

    def learn(self, *, opened: bool) -> None:
        """Be told, when the rules are through, whether the body had to be opened for any that goes deep."""
        self._worth.learn(len(self._context.request.body.source), opened=opened)

    def _open_tree(self) -> Tree | None:
        body = self._context.request.body
        if body.document is None and not self._taken and not self._worth.expects(len(body.source)):
            body.deep = True
            body.open()
        return body.tree

    def _take(self) -> bool:
        if not self._taken:
            self._taken = True
            body = self._context.request.body
            picked = self._pick(body.source) if body.source and body.problem is None else None
            if picked is not None:
                self.request = _PickedRequest(self._context.request, _PickedBody(picked))
                body.absent = self._names - picked.keys()
        return self.request is not None

    def judge(self, rule: CompiledRule) -> Literal["matched", "unmatched"] | None:
        """The verdict of a rule that surely changes nothing; None where it has to be run to be known."""
        body = self._context.request.body
        wanted, acting = rule.condition_looks, rule.action_looks
        self._steps = 0
        if (wanted is None and acting is None) or self._open_tree() is not None or not self._take():
            return None
        # What an earlier rule has changed is not in the picture.
        if rule.applies is not None and (wanted is None or not body.untouched(wanted)):
            return None
        try:
            if rule.applies is not None and not rule.applies(self):  # type: ignore[arg-type]
                return "unmatched"
            if rule.idle is None or acting is None or not body.untouched(acting):
                return None
            return "matched" if rule.idle(self) else None  # type: ignore[arg-type]
        except Exception:  # noqa: BLE001 - whatever went wrong goes wrong again, and is reported, when the rule runs
            return None
