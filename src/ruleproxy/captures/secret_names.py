"""Which names say that their value is a credential: of headers, of query parameters, of JSON members and settings.

A name that is masked by mistake can ruin a capture (`max_tokens`, `cache_key`, `next_page_token` are no secrets), one
that is not masked can ruin more. So names are read word by word: `x-api-key`, `apiKey` and `API_KEY` are one.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Wherever they stand in a name.
_SECRET_WORDS: Final = _set(
    "password passwords passwd pwd passphrase secret secrets apikey apikeys credential credentials authorization "
    "accesskey secretkey privatekey subscriptionkey accesstoken refreshtoken sessiontoken authtoken idtoken "
    "clientsecret accountkey sharedaccesskey"
)
# `PGPASSWORD`, `appsecret`: words that nobody parted.
_SECRET_ENDS: Final = ("password", "passwd", "passphrase", "apikey", "secretkey", "accesskey", "secret", "authtoken")
# `password_hint`, `secret_name`, `token_type`: said about a secret, not the secret.
_ABOUT: Final = _set(
    "id ids name names arn type url uri path count length limit budget usage policy field version size ttl expiry "
    "expires at in status mode required enabled format header prefix label description hint algorithm endpoint "
    "details info ref index position env var reason message error invalid valid manager provider store"
)
# `next_page_token`, `eos_token`: a token of another sort.
_OTHER_TOKENS: Final = _set(
    "page next previous prev continuation eos bos pad sep unk mask cls stop special cancel cancellation sync resume "
    "per max min first last input output prompt completion single each every time cache thinking budget"
)
_OWNED_TOKENS: Final = _set("access refresh auth api bearer session security secret")
_SECRET_KEYS: Final = _set(
    "api access secret private signing subscription encryption auth account shared master service function "
    "functions client license app admin consumer write instrumentation ssh gpg deploy storage webhook session vault "
    "root security bearer anthropic openai azure aws google gemini bedrock"
)
_OTHER_HEADER_KEYS: Final = _set("idempotency surrogate cache websocket partition routing sort")
_PASSWORDS: Final = _set("password passwd pwd passphrase secret")
_SECRET_PARAMETERS: Final = _set("key sig signature code auth jwt assertion sas hmac")


@lru_cache(maxsize=4096)
def split_words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case."""
    return tuple(word.lower() for word in _WORD.findall(name))


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a JSON member or a setting of this name holds a credential."""
    words = split_words(name)
    if not words or words[-1] in _ABOUT:
        return False
    if not _SECRET_WORDS.isdisjoint(words) or words[-1].endswith(_SECRET_ENDS):
        return True
    before = words[-2] if len(words) > 1 else ""
    match words[-1]:
        case "token":
            return before not in _OTHER_TOKENS
        case "tokens":
            return before in _OWNED_TOKENS
        case "key" | "keys":
            return before in _SECRET_KEYS
        case "cookie":
            return True
        case _:
            return False


@lru_cache(maxsize=4096)
def is_secret_header(name: str) -> bool:
    """Whether a header of this name holds a credential: any `…-key` does but for a few, and any `auth`."""
    words = split_words(name)
    if is_secret_name(name) or "cookie" in words:
        return True
    if not words or words[-1] in _ABOUT:
        return False
    if words[-1] == "key":
        return _OTHER_HEADER_KEYS.isdisjoint(words)
    return not {"auth", "signature", "sig", "jwt", "token"}.isdisjoint(words)


@lru_cache(maxsize=4096)
def is_secret_parameter(name: str) -> bool:
    """Whether a query parameter of this name (decoded) holds a credential; a plain `key` does."""
    words = split_words(name)
    return is_secret_name(name) or (bool(words) and words[-1] in _SECRET_PARAMETERS)


def is_password_name(name: str) -> bool:
    """Whether this is the name of a password, which may be a word, or a number, like any other."""
    words = split_words(name)
    return not _PASSWORDS.isdisjoint(words) or (bool(words) and words[-1].endswith(("password", "passwd")))
