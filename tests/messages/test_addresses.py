"""Addresses that hold a secret without a value, as where rules are tested."""

from __future__ import annotations

import pytest

from ruleproxy.messages.addresses import has_unknown_host, host_of, split_address
from ruleproxy.messages.secrets import Secret, join
from ruleproxy.messages.values import EditRefused

HOST = Secret.of("HOST", "secret:HOST")


@pytest.mark.parametrize(
    ("url", "parts", "host"),
    [
        (join("https://", HOST), ("https://secret:HOST", "", ""), "secret:HOST"),
        (
            join(join("https://", HOST), ":8443/a/b?c=d"),
            ("https://secret:HOST:8443", "/a/b", "c=d"),
            "secret:HOST",
        ),
        (join(join("http://a.", HOST), ".example:80/"), ("http://a.secret:HOST.example", "/", ""), None),
        (HOST, ("secret:HOST", "", ""), "secret:HOST"),
        (join(HOST, "/v1?to=http://x"), ("secret:HOST", "/v1", "to=http://x"), "secret:HOST"),
        (join(join(HOST, ":8443"), "/v1"), ("secret:HOST:8443", "/v1", ""), "secret:HOST"),
    ],
    ids=str,
)
def test_a_secret_without_a_value_is_a_host(url: Secret, parts: tuple[str, str, str], host: str | None) -> None:
    """Alone, in a part of the host, or for all up to the path; what comes out reads as what went in."""
    assert split_address(url) == parts
    assert has_unknown_host(url, parts[0])
    assert host_of(parts[0]) == (host or "a.secret:HOST.example")


def test_two_secrets_keep_their_names() -> None:
    """Also where one name begins with the other."""
    url = join(join("https://", Secret.of("A", "secret:A")), join("/", Secret.of("AB", "secret:AB")))
    assert split_address(url) == ("https://secret:A", "/secret:AB", "")


def test_a_secret_with_a_value_says_nothing_of_hosts() -> None:
    """An origin that is not declared stays one: only a secret that has no value may stand for any host."""
    url = join("https://", Secret.of("HOST", "elsewhere.example"))
    assert split_address(url)[0] == "https://elsewhere.example"
    assert not has_unknown_host(url, "https://elsewhere.example")
    assert not has_unknown_host("https://secret:HOST/", "https://secret:HOST")
    path = join("https://elsewhere.example/", HOST)
    assert not has_unknown_host(path, split_address(path)[0])


def test_what_is_no_address_is_refused() -> None:
    """A secret as a password before the host, or as a port, is as wrong as it is with a value."""
    with pytest.raises(ValueError, match="belong into a header"):
        split_address(join(join("https://user:", HOST), "@a.example"))
    with pytest.raises(ValueError, match="port"):
        split_address(join("https://a.example:", HOST))
    with pytest.raises(EditRefused):
        split_address(join("https://a.example/", Secret.of("HOST", "a b")))
