"""A `curl` command line as a request: what `Copy as cURL` of a browser gives, and what people write by hand."""

from __future__ import annotations

import base64
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus, unquote

from ruleproxy.captures.capture import Capture, CapturedRequest
from ruleproxy.captures.importing.found import CannotImport, encode_header, split_target, with_host
from ruleproxy.messages.message import Headers
from ruleproxy.wire.headers import strip_hop_by_hop

# Comments may come before it, and a prompt, also that of root.
_START: Final = re.compile(r"\s*(?:#(?!\s*curl\s)[^\n]*\n\s*)*(?:[$>#]\s*)?curl(?:\.exe)?\s")

_LONG: Final = {
    "-X": "--request",
    "-H": "--header",
    "-d": "--data",
    "-u": "--user",
    "-A": "--user-agent",
    "-e": "--referer",
    "-b": "--cookie",
    "-I": "--head",
    "-G": "--get",
    "-g": "--globoff",
    "-F": "--form",
    "-T": "--upload-file",
    "--data-ascii": "--data",
}
# What says nothing of the request: how curl goes about it, and what it prints.
_SILENT_NAMES: Final = """
  -k --insecure -s --silent -S --show-error -L --location -v --verbose -i --include -N --no-buffer -f --fail
  --fail-with-body --compressed -0 --http1.0 --http1.1 --http2 --no-keepalive -# --progress-bar -4 --ipv4
  -6 --ipv6 --path-as-is --tcp-nodelay --no-progress-meter --styled-output -O --remote-name -J
  --http2-prior-knowledge --http3 --tlsv1 --tlsv1.0 --tlsv1.1 --tlsv1.2 --tlsv1.3 --ssl-no-revoke --ca-native -q
  --disable --location-trusted --retry-all-errors --retry-connrefused --fail-early --no-progress-bar
  --proxy-insecure --no-compressed --no-silent --no-location --no-insecure
"""
_SILENT_NAMES_WITH_VALUE: Final = """
  -o --output -m --max-time --connect-timeout -w --write-out --retry --retry-delay --retry-max-time -x --proxy --cacert
  -E --cert --key --resolve --connect-to -c --cookie-jar -D --dump-header --max-redirs --interface --noproxy
  -U --proxy-user --capath --pass --limit-rate --trace --trace-ascii --stderr
  --keepalive-time --proxy-header --doh-url --ciphers --dns-servers --happy-eyeballs-timeout-ms
"""
_NAMES_WITH_VALUE: Final = """
  --request --header --data --data-raw --data-binary --data-urlencode --json --user --user-agent --referer --cookie
  --url --form --form-string --upload-file --oauth2-bearer --url-query
"""
_SILENT: Final = frozenset(_SILENT_NAMES.split())
_SILENT_WITH_VALUE: Final = frozenset(_SILENT_NAMES_WITH_VALUE.split())
_WITH_VALUE: Final = frozenset(_NAMES_WITH_VALUE.split())
_DATA: Final = frozenset(name for name in _WITH_VALUE if name.startswith("--data") or name == "--json")
_ANSI: Final = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
}
_ESCAPE: Final = re.compile(r"\\([0-7]{1,3}|u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,8}|x[0-9a-fA-F]{1,2}|[\s\S])")
# What a backslash takes the meaning from between double quotation marks; a line that goes on is no more.
_IN_QUOTES: Final = re.compile(r'\\(?:([$`"\\])|\r?\n)')
_SUBSTITUTED: Final = re.compile(r"(?<!\\)(?:\\\\)*(?:\$\(|`)")
_SHELL: Final = re.compile(r"\d*[<>]|[|&;#]")
_SEVERAL: Final = re.compile(r"\[[0-9A-Za-z]+-[0-9A-Za-z]+(?::[0-9]+)?\]|\{[^{}]*,[^{}]*\}")
_QUOTED: Final = re.compile(r"""'[^']*'|"(?:[^"\\]|\\[\s\S])*"|\$'((?:[^'\\]|\\[\s\S])*)'|\\\r?\n""")


def looks_like_curl(text: str) -> bool:
    """Whether a text is a command that begins with `curl`."""
    return _START.match(text) is not None


@dataclass(slots=True)
class _Command:
    urls: list[str] = field(default_factory=list)
    options: list[tuple[str, str]] = field(default_factory=list)

    def last(self, name: str) -> str | None:
        return next((value for option, value in reversed(self.options) if option == name), None)

    def has(self, name: str) -> bool:
        return self.last(name) is not None


def read_curl(text: str, folder: Path) -> Capture:
    """The request of one command. Files that it names (`-d @body.json`) are looked for in `folder`.

    Raises CannotImport for what it cannot be sure of.
    """
    command = _read_options(_split(text))
    if len(command.urls) != 1:
        raise CannotImport(f"a command of curl with {len(command.urls) or 'no'} URLs: one is expected")
    url = command.urls[0]
    if not command.has("--globoff") and _SEVERAL.search(url) is not None:
        raise CannotImport(f"curl makes several requests of {url[:200]!r}: one is expected (or --globoff)")
    target = split_target(url if "://" in url else f"http://{url}")
    body, content_type = _read_data(command, folder)
    path = target.path
    if command.has("--get") and body is not None:
        path, body, content_type = _join_query(path, body), None, None
    if (query := command.last("--url-query")) is not None:
        path = _join_query(path, _encode_pair(query, folder))
    if any(byte <= 0x20 or byte == 0x7F for byte in path):
        raise CannotImport(f"{path[:200].decode('utf-8', 'replace')!r} has a space or a control character")
    headers = _read_headers(command, content_type, _read_user(url))
    method = command.last("--request") or ("HEAD" if command.has("--head") else "GET" if body is None else "POST")
    if not method.isascii() or not method.isprintable() or " " in method:
        raise CannotImport(f"{method!r} is no method")
    request = CapturedRequest(method, path, with_host(headers, target.host), body or b"")
    return Capture(request, CapturedRequest(method, path, request.headers, request.body, target.origin))


def _split(text: str) -> list[str]:
    if re.search(r"\^\s*\r?\n|\^\"", text):
        raise CannotImport("this is spelled for the command prompt of Windows: copy it as cURL (bash)")
    if re.search(r"`[ \t]*\r?\n", text):
        raise CannotImport("this is spelled for PowerShell: copy it as cURL (bash)")
    # What a POSIX shell does and shlex does not: $'…' with its escapes, and a line that goes on.
    plain = _QUOTED.sub(_respell, _START.sub("", text, count=1))
    try:
        return shlex.split(plain)
    except ValueError as error:
        raise CannotImport(f"the command cannot be read: {str(error).lower()}") from None


def _respell(found: re.Match[str]) -> str:
    if found[0].startswith("$'"):
        return shlex.quote(_ESCAPE.sub(_unescape, found[1]))
    if found[0].startswith('"'):
        inner = found[0][1:-1]
        if _SUBSTITUTED.search(inner):
            raise CannotImport(f"the shell fills in what a command says: {inner[:80]!r}")
        return shlex.quote(_IN_QUOTES.sub(r"\1", inner))
    return " " if found[0].startswith("\\") else found[0]


def _unescape(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] in "uUx" and len(code) > 1:
        return chr(int(code[1:], 16))
    if code.isdigit() and code.isascii():
        return chr(int(code, 8) & 0xFF)
    return _ANSI.get(code, found[0])


def _read_options(words: list[str]) -> _Command:
    command = _Command()
    rest = iter(words)
    for word in rest:
        if _SHELL.match(word) is not None:
            break  # the shell's, not curl's
        if word in ("curl", "--next", "-:"):
            raise CannotImport("a second request begins: one is expected")
        if not word.startswith("-") or word == "-":
            command.urls.append(word)
            continue
        for name, value in _read_option(word):
            if name in _SILENT:
                continue
            if name in ("--head", "--get", "--globoff"):
                command.options.append((name, ""))
                continue
            if name not in _WITH_VALUE and name not in _SILENT_WITH_VALUE:
                raise CannotImport(f"the option {name} of curl is not known here")
            if value is None and (value := next(rest, None)) is None:
                raise CannotImport(f"the option {name} of curl has no value")
            if name == "--url":
                command.urls.append(value)
            elif name in ("--form", "--form-string", "--upload-file"):
                raise CannotImport(f"a request with {name} cannot be imported: the bytes of a form are curl's own")
            elif name in _WITH_VALUE:
                command.options.append((name, value))
    return command


def _read_option(word: str) -> list[tuple[str, str | None]]:
    """The options of a word with their values: `-XPOST` and `-sSL` are several letters in one."""
    if word.startswith("--"):
        return [(_LONG.get(word, word), None)]
    found: list[tuple[str, str | None]] = []
    for position, letter in enumerate(word[1:], 1):
        name = _LONG.get(f"-{letter}", f"-{letter}")
        if name in _WITH_VALUE or name in _SILENT_WITH_VALUE:
            return [*found, (name, word[position + 1 :] or None)]
        found.append((name, None))
    return found


def _read_data(command: _Command, folder: Path) -> tuple[bytes | None, str | None]:
    parts: list[bytes] = []
    content_type: str | None = None
    for name, value in command.options:
        if name not in _DATA:
            continue
        content_type = "application/json" if name == "--json" else "application/x-www-form-urlencoded"
        if name == "--data-urlencode":
            parts.append(_encode_pair(value, folder))
        elif name != "--data-raw" and value.startswith("@"):
            data = _read_file(value[1:], folder)
            parts.append(data if name != "--data" else data.translate(None, b"\r\n\0"))
        else:
            parts.append(value.encode("utf-8", "surrogateescape"))
    if not parts:
        return None, None
    return (b"" if content_type == "application/json" else b"&").join(parts), content_type


def _encode_pair(value: str, folder: Path) -> bytes:
    name, equals, content = value.partition("=")
    if not equals and "@" in value:
        name, _, file = value.partition("@")
        plain: str | bytes = _read_file(file, folder)
    else:
        plain = content if equals else value
        name = name if equals else ""
    encoded = quote_plus(plain).replace("+", "%20")
    return f"{name}={encoded}".encode() if name else encoded.encode()


def _read_file(name: str, folder: Path) -> bytes:
    if name == "-":
        raise CannotImport("the body comes from standard input, which is not recorded")
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise CannotImport(f"the body is in {folder / name}: {(error.strerror or str(error)).lower()}") from None


def _read_user(url: str) -> str | None:
    """The user and password that a URL has before its host, which curl sends as it sends those of `--user`."""
    authority = re.split(r"[/?#]", url.partition("://")[2] or url, maxsplit=1)[0]
    user, at, _ = authority.rpartition("@")
    return unquote(user) + ("" if ":" in user else ":") if at else None


def _join_query(path: bytes, query: bytes) -> bytes:
    return path + (b"&" if b"?" in path else b"?") + query


def _read_headers(command: _Command, content_type: str | None, user: str | None) -> Headers:
    headers: Headers = []
    removed: set[bytes] = set()
    for name, value in command.options:
        match name:
            case "--header":
                label, colon, content = value.partition(":")
                if not colon and value.endswith(";"):
                    headers.append(encode_header(value[:-1], ""))
                elif not colon:
                    raise CannotImport(f"the header {value[:80]!r} has no colon")
                elif content.strip():
                    headers.append(encode_header(label, content))
                else:
                    removed.add(label.strip().lower().encode("utf-8"))
            case "--user":
                encoded = base64.b64encode(value.encode("utf-8")).decode()
                headers.append(encode_header("Authorization", f"Basic {encoded}"))
            case "--oauth2-bearer":
                headers.append(encode_header("Authorization", f"Bearer {value}"))
            case "--user-agent":
                headers.append(encode_header("User-Agent", value))
            case "--referer":
                headers.append(encode_header("Referer", value))
            case "--cookie":
                if "=" not in value:
                    raise CannotImport(f"the cookies are in a file, {value}: write them out")
                headers.append(encode_header("Cookie", value))
    given = {name.lower() for name, _ in headers} | removed
    if user is not None and b"authorization" not in given:
        headers.append(encode_header("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}"))
    own = [("User-Agent", "curl"), ("Accept", "application/json" if command.has("--json") else "*/*")]
    if content_type is not None:
        own.append(("Content-Type", content_type))
    headers += [encode_header(name, value) for name, value in own if name.lower().encode() not in given]
    return strip_hop_by_hop(headers)
