"""Signatures of AWS (SigV4), made of a request as it goes out: after the last edit, over its very target and body.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html; botocore makes them and finds the credentials
(environment, profiles, roles), as for every program on the machine.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

import httpx

from ruleproxy.proxy.failures import UnsendableRequest
from ruleproxy.proxy.routes import DEFAULT_ROUTE, Routes

if TYPE_CHECKING:
    from ruleproxy.messages.message import Headers

EXTRA: Final = "requests are signed for AWS by botocore: pip install 'ruleproxy[aws]'"

_HOST: Final = re.compile(r"(?P<service>[a-z0-9-]+?)(?:-fips)?\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com")
_NAMES: Final = {"bedrock-runtime": "bedrock", "bedrock-agent-runtime": "bedrock"}
"""What services call themselves in a signature where that is not how their hosts are called."""
_OLD: Final = (b"authorization", b"x-amz-date", b"x-amz-security-token", b"x-amz-content-sha256")
_SIGNED: Final = frozenset((b"host", b"content-type"))
"""What is signed besides the date and the token: proxies on the way may touch any other header."""


class Signer:
    """Signs requests; `routes` say region and service where an upstream's host does not."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._credentials: Any = None

    async def sign(self, request: httpx.Request, body: bytes, upstream: str) -> httpx.Request:
        """The request with a signature in place of what signed it before. Raises `UnsendableRequest`."""
        headers = await asyncio.to_thread(self._sign, request, body, upstream)
        return httpx.Request(
            request.method, request.url, headers=headers, stream=request.stream, extensions=request.extensions
        )

    def _sign(self, request: httpx.Request, body: bytes, upstream: str) -> Headers:
        try:
            from botocore.auth import SigV4Auth
            from botocore.awsrequest import AWSRequest
            from botocore.exceptions import BotoCoreError
        except ImportError:
            raise UnsendableRequest(EXTRA) from None
        service, region = self._find_scope(request.url.host, upstream)
        kept = [line for line in request.headers.raw if line[0].lower() not in _OLD]
        target = request.extensions["target"].decode("latin-1")
        signed = {k.decode("latin-1"): v.decode("latin-1") for k, v in kept if k.lower() in _SIGNED}
        made = AWSRequest(request.method, f"{request.url.scheme}://{request.url.netloc.decode()}{target}", signed, body)
        try:
            SigV4Auth(self._find_credentials(), service, region).add_auth(made)
        except BotoCoreError as error:
            raise UnsendableRequest(f"it cannot be signed for AWS: {error}") from None
        own = {name.lower() for name in signed}
        new = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in made.headers.items() if k.lower() not in own]
        return [*kept, *new]

    def _find_scope(self, host: str, upstream: str) -> tuple[str, str]:
        route = self._routes.get(upstream, DEFAULT_ROUTE)
        found = _HOST.fullmatch(host)
        region = route.region or (found["region"] if found else None)
        service = route.service or (found and _NAMES.get(found["service"], found["service"])) or "bedrock"
        if region is None:
            raise UnsendableRequest(
                f"it cannot be signed for AWS: {host} does not tell its region (upstreams.{upstream}.region does)"
            )
        return service, region

    def _find_credentials(self) -> Any:
        from botocore.session import Session

        if self._credentials is None:
            self._credentials = Session().get_credentials()
        if self._credentials is None:
            raise UnsendableRequest("it cannot be signed for AWS: botocore finds no credentials")
        return self._credentials.get_frozen_credentials()
