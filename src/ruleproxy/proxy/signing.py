"""AWS Signature Version 4, made after the last edit with botocore, which the extra `ruleproxy[aws]` brings.

What a client signed is dropped: it signed another request. The raw path is signed as it goes out, encoded once more as
SigV4 wants it for every service but S3 (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html),
so a model id with `%3A` in it stays as it is. Only the host, the content type and AWS's own headers are signed: what
stands between here and AWS may touch the others.

Credentials come from botocore's own chain: variables, profiles, SSO, the instance's role.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ruleproxy.engine.events import Send
from ruleproxy.messages.message import Headers
from ruleproxy.proxy.failures import UnsendableRequest
from ruleproxy.proxy.routes import Route

_MISSING: Final = 'upstream.sign = "aws" needs botocore: install ruleproxy[aws]'

_SIGNATURE: Final = frozenset(
    (b"authorization", b"x-amz-date", b"x-amz-security-token", b"x-amz-content-sha256", b"x-amz-signature")
)
_SIGNATURE_QUERY: Final = re.compile(
    rb"(?i)x-amz-(?:algorithm|credential|date|expires|signedheaders|signature|security-token)="
)
_SERVICES: Final[Mapping[str, str]] = {
    "bedrock-runtime": "bedrock",
    "bedrock-runtime-fips": "bedrock",
    "bedrock-fips": "bedrock",
    "bedrock-agent-runtime": "bedrock",
    "lambda-url": "lambda",
    "runtime.sagemaker": "sagemaker",
}
"""What a host calls a service, where that is not the name that is signed."""
_HOST: Final = re.compile(
    r"(?:.+\.)?(?P<service>runtime\.sagemaker|[a-z0-9-]+)\.(?P<region>[a-z]{2,3}(?:-[a-z]+)+-\d)"
    r"\.(?:vpce\.)?(?:amazonaws\.com(?:\.cn)?|on\.aws|api\.aws)"
)
_DEFAULT_SERVICE: Final = "bedrock"

_REMEMBERED: Final = 4
"""Secrets: those of the credentials in force and of the ones before, which answers under way may repeat."""


class CannotSign(UnsendableRequest):
    """A request that could not be signed; the text says what is missing, and holds no credentials."""


class Signer:
    """Signs requests with one set of credentials, those of the process."""

    def __init__(self) -> None:
        self._credentials: Any = None
        self._finding = asyncio.Lock()
        self._used: deque[bytes] = deque(maxlen=_REMEMBERED)

    def known(self) -> list[bytes]:
        """The secret keys and session tokens that were used of late, to be masked wherever they come back."""
        return list(self._used)

    async def sign(self, send: Send, host: bytes, route: Route) -> Send:
        """The request signed for `host` (as its header will say). Raises `CannotSign`."""
        if send.sign != "aws":
            raise CannotSign(f'upstream.sign is "aws" or nothing, not {send.sign!r}')
        # Finding and refreshing credentials may ask files, programs and servers.
        async with self._finding:
            frozen = await asyncio.to_thread(self._find_credentials)
        secrets = (secret.encode() for secret in (frozen.secret_key, frozen.token) if secret)
        self._used.extend(secret for secret in secrets if secret not in self._used)
        region, service = find_scope(host.decode("ascii").partition(":")[0], route, os.environ)
        target = drop_signature(send.target)
        kept = [line for line in send.headers if line[0].lower() not in _SIGNATURE]
        made = _sign(frozen, replace(send, target=target, headers=kept), host, region, service)
        return replace(send, target=target, headers=[*kept, *made])

    def _find_credentials(self) -> Any:
        _import_botocore()
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session

        try:
            if self._credentials is None:
                self._credentials = Session().get_credentials()
            if self._credentials is None:
                raise CannotSign('upstream.sign = "aws": no AWS credentials are to be found')
            return self._credentials.get_frozen_credentials()
        except BotoCoreError as error:
            raise CannotSign(f'upstream.sign = "aws": the AWS credentials cannot be had: {_lower(error)}') from None


def check_botocore() -> None:
    """Raises `CannotSign` where botocore is not installed."""
    _import_botocore()


def find_scope(host: str, route: Route, environment: Mapping[str, str]) -> tuple[str, str]:
    """Region and service to sign for: as the settings say, else as the host does, else as the environment does.

    Raises `CannotSign` where nothing tells the region.
    """
    found = _HOST.fullmatch(host)
    service = route.service or (
        _DEFAULT_SERVICE if found is None else _SERVICES.get(found["service"], found["service"])
    )
    region = route.region or (None if found is None else found["region"])
    region = region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if not region:
        raise CannotSign(f'upstream.sign = "aws": no region for {host}: give one with upstreams.NAME.region')
    return region, service


def drop_signature(target: bytes) -> bytes:
    """A request target without a signature in its query."""
    path, mark, query = target.partition(b"?")
    if not mark or b"-" not in query:
        return target
    kept = [part for part in query.split(b"&") if _SIGNATURE_QUERY.match(part) is None]
    return path + b"?" + b"&".join(kept) if kept else path


def _sign(credentials: Any, send: Send, host: bytes, region: str, service: str) -> Headers:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    signed = {"host": host.decode("ascii")}
    for name, value in send.headers:
        lower = name.lower()
        if lower == b"content-type" or lower.startswith(b"x-amz-"):
            key = lower.decode("ascii")
            text = value.decode("latin-1")
            signed[key] = f"{signed[key]},{text}" if key in signed else text
    try:
        url = f"{send.origin}{send.target.decode('ascii')}"
    except UnicodeDecodeError:
        raise CannotSign('upstream.sign = "aws": the request target is not ASCII') from None
    request = AWSRequest(method=send.method, url=url, data=send.body, headers=signed)
    SigV4Auth(credentials, service, region).add_auth(request)
    return [
        (name.encode("ascii"), value.encode("latin-1"))
        for name, value in request.headers.items()
        if name.lower() not in signed
    ]


def _import_botocore() -> None:
    try:
        import botocore.auth  # noqa: F401
    except ImportError:
        raise CannotSign(_MISSING) from None


def _lower(error: Exception) -> str:
    text = str(error).rstrip(".")
    return text[:1].lower() + text[1:]
