"""Captures from command lines of curl: they say what the real curl would send."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from ruleproxy.captures.importing.curl import looks_like_curl, read_curl
from ruleproxy.captures.importing.found import CannotImport
from support.recording_upstream import recording_upstream

COMMANDS = {
    "a get": "curl 'URL/v1/models?limit=1000' -H 'anthropic-version: 2023-06-01'",
    "json by hand": """curl -sS URL/v1/messages -H 'content-type: application/json' -d '{"model": "m",\n "a": "é"}'""",
    "a browser": "curl 'URL/v1/messages?beta=true' \\\n  -H 'accept: */*' \\\n  -b 'a=1; b=2' \\\n"
    "  --data-raw $'{\"text\":\"it\\'s \\u0021\\n\"}' --compressed -H 'accept-encoding: gzip'",
    "json": """curl --json '{"a":1}' URL/x -X PUT""",
    "letters joined": "curl -XDELETE -sSLA me/1.0 URL/x",
    "a file": "curl URL/x --data-binary @body.json -H 'Expect:'",
    "a file without line breaks": "curl URL/x -d @body.json -d b=2",
    "encoded": "curl -G URL/x?a=1 --data-urlencode 'q=a b&c' --data-urlencode =x --data-urlencode n@body.json",
    "an account": "curl -u me:secret URL/x -e http://from.example -H 'Accept:' -H 'X-Empty;'",
    "a token": 'curl --oauth2-bearer "tok en" URL/x | jq .',
    "a head": "curl -I URL/",
    "two parts": "curl URL/x -d a=1 --data b=2",
    "marks of the shell": r"""curl 'URL/x?a=$b' -d "a\"b\$c\`d\\e \f" -d $'\x41\102\u0043' # done""",
    "a line that goes on": 'curl URL/x -d "one \\\ntwo" \\\n  -H "X: #y" > /dev/null 2>&1',
    "a password in the URL": "curl URL_OF_ME/x",
    "a comment before": "# what it is for\n\ncurl URL/x --http1.1",
    "braces": "curl -g 'URL/x?a={b,c}&d=[1-2]'",
    "a URL option": "$ curl --url URL/x/../y%2Fz",
}


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl to compare with")
@pytest.mark.parametrize("name", COMMANDS)
def test_it_is_what_curl_sends(name: str, tmp_path: Path) -> None:
    """The request that is read is the request that curl sends, but for the order and the version of curl."""
    (tmp_path / "body.json").write_bytes(b'{"a":\n 1}\n')
    with recording_upstream() as upstream:
        text = COMMANDS[name].replace("URL_OF_ME", upstream.url.replace("//", "//me:s%21cret@"))
        text = text.replace("URL", upstream.url)
        assert looks_like_curl(text)
        made = read_curl(text, tmp_path)
        plain = text.removeprefix("$ ").partition(" | ")[0].partition(" # ")[0].partition(" > ")[0]
        # curl resolves dot segments unless it is told not to; a capture keeps what was typed.
        command = plain.replace("curl", "curl --path-as-is --max-time 10", 1) + " -o answer --silent"
        subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, timeout=30)
        (received,) = upstream.requests
        assert made.sent is not None
        assert made.sent.origin == upstream.url
    method, target, _ = received.request_line.split(b" ")
    # Versions of curl spell a space in a query `+` or `%20`, and hexadecimals in both cases.
    path = made.request.path if b"%20" not in made.request.path else unquote_to_bytes(made.request.path)
    came = target if path is made.request.path else unquote_to_bytes(target.replace(b"+", b" "))
    assert (made.request.method.encode(), path) == (method, came)
    assert made.request.body == received.body
    expected = {(k.lower(), v.strip()) for k, _, v in (line.partition(b":") for line in received.header_lines)}
    own = {(k.lower(), b"curl" if k == b"User-Agent" and v == b"curl" else v) for k, v in made.request.headers}
    agents = {line for line in expected if line[0] == b"user-agent" and line[1].startswith(b"curl/")}
    asked = {line for line in expected if line[0] in (b"content-length", b"accept-encoding")}
    assert own - {(b"user-agent", b"curl")} - asked == expected - agents - asked


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("curl", "no URLs"),
        ("curl https://a.example https://b.example", "2 URLs"),
        ("curl https://a.example -F file=@x", "--form"),
        ("curl https://a.example --frobnicate", "--frobnicate of curl is not known"),
        ("curl https://a.example -H", "--header of curl has no value"),
        ("curl https://a.example -H 'no colon'", "has no colon"),
        ("curl https://a.example -H 'a b: c'", "is none"),
        ("curl https://a.example -d @-", "standard input"),
        ("curl https://a.example -d @missing.json", "missing.json: no such file"),
        ("curl https://a.example -b jar.txt", "write them out"),
        ("curl 'https://a.example", "cannot be read"),
        ('curl "https://a.example" ^\n -H ^"a: b^"', "bash"),
        ("curl ftp://a.example/x", "no URL of http"),
        ("curl https://a.example `\n -H 'a: b'", "PowerShell"),
        ('curl https://a.example -d "$(cat x)"', "what a command says"),
        ("curl https://a.example -G -d 'a=b c'", "has a space"),
        ("curl 'https://a.example/[1-3]'", "several requests"),
        ("curl 'https://a.example/{a,b}'", "several requests"),
        ("curl https://a.example/\ncurl https://b.example/", "second request"),
        ("curl https://a.example --next https://b.example", "second request"),
        ("curl https://a.example -d @- <<EOF\n{}\nEOF\n", "standard input"),
        ("curl 'https://a.example:99999/'", "is no URL"),
    ],
)
def test_what_cannot_be_sure_is_refused(command: str, said: str, tmp_path: Path) -> None:
    """Each says what stands in the way."""
    with pytest.raises(CannotImport, match=said.replace("(", r"\(")):
        read_curl(command + " ", tmp_path)
