"""Settings: where they come from, which wins, and how a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from ruleproxy.messages.upstreams import Upstream
from ruleproxy.proxy.routes import Patience
from ruleproxy.proxy.settings import BadSetting, read_settings

UP = {"upstreams": ("http://up.example",)}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_defaults_are_safe() -> None:
    """Loopback, the rules beside, 64 MiB."""
    settings = read_settings(UP, {})
    assert (settings.host, settings.port, settings.allow_remote) == ("127.0.0.1", 8787, False)
    assert settings.rules == (Path("rules"),)
    assert settings.limits.body == 64 * 1024 * 1024
    assert settings.routes["default"].patience == Patience(connect=10, first_byte=600, idle=600, total=3600)


def test_the_later_source_wins() -> None:
    """File, then environment, then flags."""
    Path("ruleproxy.toml").write_text('listen = "127.0.0.1:1"\nbase_path = "/file"\nlog_format = "json"\n')
    environment = {"RULEPROXY_LISTEN": "127.0.0.1:2", "RULEPROXY_BASE_PATH": "/environment/"}
    settings = read_settings({**UP, "listen": "[::1]:3"}, environment)
    assert (settings.host, settings.port) == ("::1", 3)
    assert settings.base_path == "/environment"
    assert settings.log_format == "json"


def test_every_setting_can_stand_in_the_file() -> None:
    """Paths are relative to the file."""
    folder = Path("etc")
    folder.mkdir()
    (folder / "ca.pem").touch()
    (folder / "mine.toml").write_text(
        'rules = ["rules", "/abs"]\nrecord = "captures"\nca_file = "ca.pem"\nallow_remote = true\n'
        '[upstreams]\nmain = "https://Up.Example:443/gw/"\nother = "http://up.example:8080"\n'
        "[limits]\nbody = 10\nheaders = 20\n[timeouts]\n"
        "connect = 0.5\nfirst_byte = 1\nidle = 2\ntotal = 3\nclient = 2\nkeep_alive = 3\nstop = 4\n"
    )
    settings = read_settings({}, {}, folder / "mine.toml")
    assert settings.rules == (folder / "rules", Path("/abs"))
    assert settings.record == folder / "captures"
    assert settings.routes["main"].trust.ca_files == (folder / "ca.pem",)
    assert settings.allow_remote
    assert list(settings.upstreams.values()) == [
        Upstream("main", "https://up.example", "/gw"),
        Upstream("other", "http://up.example:8080"),
    ]
    assert (settings.limits.body, settings.limits.headers) == (10, 20)
    assert settings.timeouts.stop == 4
    assert settings.routes["other"].patience == Patience(0.5, 1, 2, 3)


def test_the_environment_names_tables_with_an_underscore() -> None:
    """RULEPROXY_LIMITS_BODY, RULEPROXY_UPSTREAMS with spaces, RULEPROXY_RULES like PATH."""
    settings = read_settings(
        {},
        {
            "RULEPROXY_LIMITS_BODY": "5",
            "RULEPROXY_UPSTREAMS": "http://a.example two=http://b.example",
            "RULEPROXY_RULES": "one:two",
            "RULEPROXY_ALLOW_REMOTE": "yes",
        },
    )
    assert settings.limits.body == 5
    assert list(settings.upstreams) == ["default", "two"]
    assert settings.rules == (Path("one"), Path("two"))
    assert settings.allow_remote


@pytest.mark.parametrize(
    ("name", "meant"),
    [("RULEPROXY_TIMEOUT_IDLE", "RULEPROXY_TIMEOUTS_IDLE"), ("RULEPROXY_UPSTREAM", "RULEPROXY_UPSTREAMS")],
)
def test_a_variable_that_is_nearly_a_setting_is_not_passed_over(name: str, meant: str) -> None:
    """It was meant for us; what others put under the same prefix was not."""
    others = {"RULEPROXY_SERVICE_HOST": "10.0.0.1", "RULEPROXY_PORT": "tcp://10.0.0.1:8787"}
    read_settings(UP, others)
    with pytest.raises(BadSetting, match=rf"^{name} is not a setting, did you mean {meant}\?"):
        read_settings(UP, {**others, name: "1"})


def test_the_first_upstream_is_the_default() -> None:
    """A flag comes before the file, and replaces what has the same name there."""
    Path("ruleproxy.toml").write_text('[upstreams]\na = "http://a.example"\nb = "http://old.example"\n')
    settings = read_settings({"upstreams": ("b=http://new.example", "http://c.example/x=y")}, {})
    assert [(name, upstream.origin) for name, upstream in settings.upstreams.items()] == [
        ("b", "http://new.example"),
        ("default", "http://c.example"),
        ("a", "http://a.example"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lisen = 1", "ruleproxy.toml: lisen is not a setting, did you mean listen?"),
        ("[limits]\nbodi = 1", "ruleproxy.toml: limits.bodi is not a setting, did you mean limits.body?"),
        ("[zzz]\nx = 1", "ruleproxy.toml: zzz is not a setting"),
        ("listen = 8787", "listen (ruleproxy.toml): expected text"),
        ('listen = "8787"', "listen (ruleproxy.toml): expected HOST:PORT, got '8787'"),
        ('listen = "a:99999"', "listen (ruleproxy.toml): expected HOST:PORT, got 'a:99999'"),
        ('base_path = "x"', "base_path (ruleproxy.toml): expected a path that begins with /, got 'x'"),
        ('log_format = "xml"', "log_format (ruleproxy.toml): expected text or json, got 'xml'"),
        ("allow_remote = 3", "allow_remote (ruleproxy.toml): expected true or false, got 3"),
        ("rules = []", "rules (ruleproxy.toml): expected a list of folders"),
        ("[limits]\nbody = 0", "limits.body (ruleproxy.toml): expected a number of bytes above 0, got 0"),
        ("[timeouts]\nstop = -1", "timeouts.stop (ruleproxy.toml): expected a number of seconds above 0, got -1"),
        ("upstreams = 3", "upstreams (ruleproxy.toml): expected a table of names and URLs"),
        ('[upstreams]\na = "ftp://x"', "upstreams.a (ruleproxy.toml): the URL does not begin with http:// or https://"),
    ],
)
def test_a_wrong_setting_is_named_with_its_source(text: str, message: str) -> None:
    """The key, the file, what was expected and what came."""
    Path("ruleproxy.toml").write_text(text)
    with pytest.raises(BadSetting) as caught:
        read_settings(UP, {})
    assert str(caught.value) == message


def test_wrong_values_name_the_flag_or_the_variable() -> None:
    """Not only the file is a source."""
    with pytest.raises(BadSetting, match=r"^listen \(--listen\): expected HOST:PORT"):
        read_settings({**UP, "listen": "x"}, {})
    with pytest.raises(BadSetting, match=r"^timeouts\.stop \(RULEPROXY_TIMEOUTS_STOP\): expected a number"):
        read_settings(UP, {"RULEPROXY_TIMEOUTS_STOP": "soon"})
    with pytest.raises(BadSetting, match=r"^upstreams\.default \(--upstream\): the URL names no host"):
        read_settings({"upstreams": ("http://",)}, {})
    with pytest.raises(BadSetting, match=r"^upstreams \(--upstream\): default is given twice"):
        read_settings({"upstreams": ("http://a", "http://b")}, {})
    with pytest.raises(BadSetting, match=r"^no upstream is given"):
        read_settings({}, {})


def test_a_file_that_is_no_toml_is_told() -> None:
    """With the place that the parser names; and one that is named must be there."""
    Path("ruleproxy.toml").write_text("a = ")
    with pytest.raises(BadSetting, match=r"^ruleproxy\.toml: Invalid value"):
        read_settings(UP, {})
    with pytest.raises(FileNotFoundError):
        read_settings(UP, {}, Path("missing.toml"))


@pytest.mark.parametrize(
    "url",
    [
        "https://user:s3cret@up.example",
        "http://up.example/?a=s3cret",
        "http://up.example/#s3cret",
        "http://up.example:port",
        "http://up.example:70000",
        "http://up.example\\@evil.example",
        "http://up example",
        "http://up.example\n",
        "//up.example",
        "up.example:80",
        "http://:80",
    ],
)
def test_an_upstream_is_an_origin_with_a_path_at_most(url: str) -> None:
    """No credentials, query or fragment; and the message does not repeat them."""
    with pytest.raises(ValueError, match="URL") as caught:
        Upstream.from_url("a", url)
    assert "s3cret" not in str(caught.value)


def test_an_upstream_may_be_an_ipv6_address() -> None:
    """The brackets stay."""
    assert Upstream.from_url("a", "http://[::1]:80/x/").origin == "http://[::1]"
    assert Upstream.from_url("a", "http://[::1]:81/x/") == Upstream("a", "http://[::1]:81", "/x")
