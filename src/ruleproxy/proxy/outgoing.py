"""What becomes of a request between the last edit and the wire: secrets, then the signature, then the framing."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from ruleproxy.engine.events import Send
from ruleproxy.proxy.live_secrets import LiveSecrets
from ruleproxy.proxy.routes import DEFAULT_ROUTE, NO_ROUTES, Routes
from ruleproxy.proxy.signing import Signer
from ruleproxy.wire.headers import frame_request


class Outgoing:
    """Makes the requests of a transport. Without live secrets no stand-ins are looked for."""

    def __init__(self, routes: Routes = NO_ROUTES, secrets: LiveSecrets | None = None) -> None:
        self.secrets = secrets
        self._routes = routes
        self._signer = Signer()
        self._origins: dict[str, httpx.URL] = {}

    def known(self) -> list[bytes]:
        """What was put into requests of late that nobody may read: live secrets, and what signs for AWS."""
        return [*(() if self.secrets is None else self.secrets.known()), *self._signer.known()]

    async def make(self, send: Send) -> tuple[httpx.Request, Mapping[str, str]]:
        """The request as it goes out, and the live secrets in it: name and value.

        Raises `SecretUnreadable`, and `CannotSign`.
        """
        used: Mapping[str, str] = {}
        if self.secrets is not None and self.secrets.stands_in(send):
            send, used = await self.secrets.fill(send)
        url = self._find_url(send.origin)
        if send.sign is not None:
            send = await self._signer.sign(send, url.netloc, self._routes.get(send.upstream, DEFAULT_ROUTE))
        request = httpx.Request(
            send.method,
            url,
            headers=frame_request(send.headers, send.method, url.netloc, send.body),
            stream=httpx.ByteStream(send.body),
            extensions={"target": send.target, "upstream": send.upstream, "silence": send.timeout},
        )
        return request, used

    def _find_url(self, origin: str) -> httpx.URL:
        """The parsed `origin`; the same few are asked again and again."""
        url = self._origins.get(origin)
        if url is None:
            url = self._origins[origin] = httpx.URL(origin)
        return url
