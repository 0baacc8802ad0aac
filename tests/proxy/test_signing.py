"""SigV4 after the last edit: what arrives is verified by botocore, for the very bytes that arrived."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import boto3
import botocore.config
import orjson
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from ruleproxy.proxy.routes import Route
from ruleproxy.proxy.signing import CannotSign, drop_signature, find_scope
from support.raw_client import RawClient
from support.recording_upstream import ReceivedRequest, RecordingUpstream, recording_upstream
from support.server_process import ServerProcess, server_process

KEY, SECRET = "AKIDMADEUP", "made-up-secret"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_EC2_METADATA_DISABLED": "true"}
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"

RULES = """edition 1

rule "the gateway's model" on request when request.api == "bedrock.invoke" then
  inject { anthropic_version = "bedrock-2023-05-31" } into request.body
end

rule "sign what goes to invoke" on request when request.path == "/signed/by/rule" then
  rewrite upstream.sign = "aws"
end
"""
ANSWER = b'{"content":[]}'
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)


def verify(request: ReceivedRequest, *, token: str | None = None, secret: str = SECRET) -> dict[str, str]:
    """The parts of a signature that is right for the request as it arrived; fails the test where it is not."""
    (authorization,) = request.values(b"authorization")
    parts = re.fullmatch(
        rb"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)"
        rb"/aws4_request, "
        rb"SignedHeaders=(?P<names>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})",
        authorization,
    )
    assert parts is not None, authorization
    told = {name: value.decode() for name, value in parts.groupdict().items()}
    headers = {name: request.values(name.encode())[0].decode() for name in told["names"].split(";")}
    method, target, _ = request.request_line.decode("ascii").split(" ")
    again = AWSRequest(method, f"http://{headers['host']}{target}", data=request.body, headers=headers)
    (again.context["timestamp"],) = {value.decode() for value in request.values(b"x-amz-date")}
    auth = SigV4Auth(Credentials(KEY, secret, token), told["service"], told["region"])
    text = auth.string_to_sign(again, auth.canonical_request(again))
    assert auth.signature(text, again) == told["signature"]
    return told


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with recording_upstream((OK,)) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, upstream: RecordingUpstream) -> Iterator[ServerProcess]:
    folder: Path = tmp_path_factory.mktemp("signing")
    (folder / "rules").mkdir()
    (folder / "rules" / "a.rules").write_text(RULES)
    settings = (
        f'[upstreams.bedrock]\nurl = "{upstream.url}"\nsign = "aws"\nregion = "eu-west-1"\n'
        f'[upstreams.plain]\nurl = "{upstream.url}"\n'
    )
    with server_process(folder, f"bedrock={upstream.url}", settings=settings, environment=ENVIRONMENT) as server:
        yield server


def test_boto3_through_the_proxy(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """The client signs with what it has; what arrives is edited, and signed anew over the raw path with its %3A."""
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="AKIDCLIENT",
        aws_secret_access_key="client-made-up",
        aws_session_token="client-token-made-up",
        config=botocore.config.Config(retries={"max_attempts": 1}),
    )
    answer = client.invoke_model(modelId=MODEL, body=b'{"max_tokens": 1}')
    assert answer["body"].read() == ANSWER
    request = upstream.requests[-1]
    assert request.request_line == b"POST /model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke HTTP/1.1"
    assert orjson.loads(request.body)["anthropic_version"] == "bedrock-2023-05-31"
    told = verify(request)
    assert (told["key"], told["region"], told["service"]) == (KEY, "eu-west-1", "bedrock")
    assert request.values(b"x-amz-security-token") == []
    assert b"client" not in request.head.lower().replace(b"amz-sdk", b"")


@pytest.mark.parametrize(
    "target",
    [
        b"/model/a%3Ab/invoke",
        b"/model/a:b/invoke",
        b"/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Fx/invoke?b=2&a=1&empty",
        b"/model/%E2%82%AC~*(x)/invoke?q=%20%2B",
    ],
)
def test_the_raw_path_is_signed_as_it_goes_out(
    server: ServerProcess, upstream: RecordingUpstream, target: bytes
) -> None:
    """Encoded or not, it arrives as it was sent, and the signature is of that."""
    with RawClient(server.port) as client:
        assert client.ask(target, b'{"max_tokens": 1}', headers=[b"Content-Type: application/json"]).status == 200
    request = upstream.requests[-1]
    assert request.request_line == b"POST " + target + b" HTTP/1.1"
    told = verify(request)
    assert told["names"] == "content-type;host;x-amz-date"


def test_a_clients_signature_in_the_query_is_dropped(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """As of a presigned URL."""
    with RawClient(server.port) as client:
        client.ask(b"/x?keep=1&X-Amz-Signature=abc&X-Amz-Credential=AKIDCLIENT%2F1&X-Amz-Date=2", method="GET")
    assert upstream.requests[-1].request_line == b"GET /x?keep=1 HTTP/1.1"
    verify(upstream.requests[-1])


def test_a_rule_signs_where_no_setting_does(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """`upstream.sign` as a property; the region comes from the environment, the session token is signed."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.rules").write_text(RULES)
    environment = {**ENVIRONMENT, "AWS_REGION": "ap-south-1", "AWS_SESSION_TOKEN": "token-made-up"}
    with (
        server_process(tmp_path, upstream.url, environment=environment) as server,
        RawClient(server.port) as client,
    ):
        client.ask(b"/unsigned", headers=[b"Authorization: Bearer made-up"])
        assert upstream.requests[-1].values(b"authorization") == [b"Bearer made-up"]
        client.ask(b"/signed/by/rule", headers=[b"Authorization: Bearer made-up"])
    request = upstream.requests[-1]
    told = verify(request, token="token-made-up")
    assert (told["region"], told["names"]) == ("ap-south-1", "host;x-amz-date;x-amz-security-token")
    assert request.values(b"x-amz-security-token") == [b"token-made-up"]


def test_a_pack_that_converts_is_signed(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """As docs/clients.md says: Anthropic's client, Bedrock's request, the credentials of this machine alone."""
    (tmp_path / "rules").mkdir()
    use = f'use "ruleproxy/messages-to-bedrock" with {{ url = "{upstream.url}", models = {{ asked = "{MODEL}" }} }}'
    (tmp_path / "rules" / "a.rules").write_text(f"edition 1\n\n{use}\n")
    settings = f'[upstreams.default]\nurl = "{upstream.url}"\nsign = "aws"\nregion = "eu-west-1"\n'
    headers = [b"Authorization: Bearer clients-own", b"anthropic-version: 2023-06-01", b"anthropic-beta: a-1"]
    with (
        server_process(tmp_path, upstream.url, settings=settings, environment=ENVIRONMENT) as server,
        RawClient(server.port) as client,
    ):
        answer = client.ask(
            b"/v1/messages?beta=true", b'{"model":"asked","max_tokens":1,"messages":[]}', headers=headers
        )
    assert (answer.status, answer.body) == (200, ANSWER)
    request = upstream.requests[-1]
    target = MODEL.replace(":", "%3A").encode()
    assert request.request_line == b"POST /model/%s/invoke HTTP/1.1" % target
    assert orjson.loads(request.body) == {
        "max_tokens": 1,
        "messages": [],
        "anthropic_version": "bedrock-2023-05-31",
        "anthropic_beta": ["a-1"],
    }
    assert verify(request)["key"] == KEY
    assert b"clients-own" not in request.head


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "eu-west-1"}, "no AWS credentials are to be found"),
        (ENVIRONMENT, "no region for 127.0.0.1: give one with upstreams.NAME.region"),
    ],
)
def test_what_is_missing_is_named(
    tmp_path: Path, upstream: RecordingUpstream, environment: dict[str, str], message: str
) -> None:
    """In the client's own format, and nothing is sent unsigned."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.rules").write_text(RULES)
    count = len(upstream.requests)
    home = {"HOME": str(tmp_path), "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}
    with (
        server_process(tmp_path, upstream.url, environment=home | environment) as server,
        RawClient(server.port) as client,
    ):
        answer = client.ask(b"/signed/by/rule")
    assert answer.status == 500
    assert message in orjson.loads(answer.body)["error"]["message"]
    assert len(upstream.requests) == count


def test_botocore_that_is_missing_is_named_at_the_start(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """With what to install, and exit code 2."""
    blocked = tmp_path / "blocked"
    (blocked / "botocore").mkdir(parents=True)
    (blocked / "botocore" / "__init__.py").write_text("raise ImportError\n")
    with (
        pytest.raises(AssertionError, match=re.escape("install ruleproxy[aws]")),
        server_process(
            tmp_path, upstream.url, "--set", "upstreams.default.sign=aws", environment={"PYTHONPATH": str(blocked)}
        ),
    ):
        pass


@pytest.mark.parametrize(
    ("host", "route", "scope"),
    [
        ("bedrock-runtime.eu-west-1.amazonaws.com", Route(), ("eu-west-1", "bedrock")),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", Route(), ("us-gov-west-1", "bedrock")),
        ("vpce-1-2.bedrock-runtime.us-east-1.vpce.amazonaws.com", Route(), ("us-east-1", "bedrock")),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", Route(), ("cn-north-1", "bedrock")),
        ("abc123.execute-api.eu-central-1.amazonaws.com", Route(), ("eu-central-1", "execute-api")),
        ("abc.lambda-url.eu-west-1.on.aws", Route(), ("eu-west-1", "lambda")),
        ("runtime.sagemaker.us-west-2.amazonaws.com", Route(), ("us-west-2", "sagemaker")),
        ("llm.corp.example", Route(), ("env-1", "bedrock")),
        ("llm.corp.example", Route(region="set-1", service="execute-api"), ("set-1", "execute-api")),
        ("bedrock-runtime.eu-west-1.amazonaws.com", Route(region="set-1"), ("set-1", "bedrock")),
        ("bedrock-runtime.eu-west-1.amazonaws.com.evil.example", Route(), ("env-1", "bedrock")),
    ],
)
def test_region_and_service(host: str, route: Route, scope: tuple[str, str]) -> None:
    """Settings, then the host, then the environment."""
    assert find_scope(host, route, {"AWS_REGION": "env-1"}) == scope


def test_no_region_is_an_error() -> None:
    """It is never guessed."""
    with pytest.raises(CannotSign, match="no region"):
        find_scope("llm.corp.example", Route(), {})


def test_a_query_without_a_signature_stays() -> None:
    """Byte for byte."""
    for target in (b"/x", b"/x?", b"/x?a=1&&b-c", b"/x?x-amz-other=1"):
        assert drop_signature(target) == target
