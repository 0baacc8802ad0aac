"""The exchange without rules: the request goes to one upstream as it came, the answer comes back as it came."""

from __future__ import annotations

from collections.abc import Sequence

from ruleproxy.engine.events import (
    Action,
    Cut,
    Data,
    End,
    Event,
    Head,
    Send,
    UpstreamData,
    UpstreamEnd,
    UpstreamFailed,
    UpstreamHead,
)
from ruleproxy.messages.message import Request
from ruleproxy.wire.formats import api_of, error_body, error_type

_END = (End(),)


class PassThrough:
    """One request to `origin`, whose `base_path` (no slash at its end, or empty) comes before the request's."""

    acted: Sequence[str] = ()
    remarks: Sequence[str] = ()
    patience: float | None = None
    retries: int = 0
    unread = False

    def __init__(self, request: Request, origin: str, base_path: bytes = b"") -> None:
        self.relaying = False
        self._request = request
        self._origin = origin
        self._base_path = base_path

    def begin(self) -> Sequence[Action]:
        """Ask the upstream."""
        request = self._request
        target = self._base_path + request.target
        return (Send(self._origin, request.method, target, request.headers, request.body),)

    def receive(self, event: Event) -> Sequence[Action]:
        """Pass on what came; a failure before the head becomes an error answer, one after it cuts the answer."""
        match event:
            case UpstreamHead(status, headers):
                self.relaying = True
                return (Head(status, headers),)
            case UpstreamData(data):
                return (Data(data),)
            case UpstreamEnd():
                return _END
            case UpstreamFailed(kind, message):
                if self.relaying:
                    return (Cut(),)
                return self._answer_failure(504 if kind == "timeout" else 502, message)
            case _:
                return ()

    def _answer_failure(self, status: int, message: str) -> Sequence[Action]:
        api = api_of(self._request.raw_path.decode("latin-1"))
        body = error_body(api, error_type(status), message)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        return (Head(status, headers), Data(body), End())
