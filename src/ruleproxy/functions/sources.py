"""Functions that take a value from where the rules are loaded."""

from __future__ import annotations

from typing import NoReturn

from ruleproxy.language.signatures import Function, Parameter, Surroundings
from ruleproxy.language.types import JSON, STRING, of
from ruleproxy.messages.values import EditRefused, Value


def _refuse(*_: Value) -> NoReturn:
    raise EditRefused("tables and secrets are read when rules are loaded, not while they run")


def _load_table(surroundings: Surroundings, name: str) -> Value:
    return surroundings.read_table(name)


def _load_secret(surroundings: Surroundings, name: str) -> Value:
    return surroundings.read_secret(name)


FUNCTIONS = (
    Function(
        "table",
        "the value of a JSON file that lies beside the rules file or in a folder there",
        (Parameter("file", STRING, literal=True),),
        JSON,
        _refuse,
        load=_load_table,
        file_level=True,
        prose="Only as the value of a `local` of the file. Read once, when the rules are loaded, up to 4 MiB, and part "
        'of the checksum of the rules: `local names = table("names.json")`.',
    ),
    Function(
        "secret",
        "a secret, from the environment variable of this name or from the file that NAME_FILE names",
        (Parameter("name", STRING, literal=True),),
        of("secret"),
        _refuse,
        load=_load_secret,
        prose="Read when the rules are loaded. It goes into headers and the query of a request, into `upstream.url` "
        "and `upstream.base`, and into comparisons, "
        "nowhere else, and wherever it is printed it reads `secret:NAME`. Rules of a pack get secrets as parameters: "
        '`use "acme/pack" with { token = secret("NAME") }`. In a URL a secret has no space, `?`, `#` or `&`; a member '
        "of the query takes any. Tests run with `secret:NAME` as its value, which may be a host there.",
    ),
)
