"""The registry of codes."""

from ruleproxy.language.codes import ALL_CODES, CODES
from ruleproxy.language.diagnostics import Severity


def test_numbers_are_unique_and_in_order() -> None:
    """A number means one thing for ever."""
    numbers = [code.number for code in ALL_CODES]
    assert numbers == sorted(set(numbers))
    assert len({code.title for code in ALL_CODES}) == len(ALL_CODES)


def test_severities() -> None:
    """What counts only under `--strict` is what the language's table of codes says."""
    warnings = {code.number for code in ALL_CODES if code.severity is Severity.WARNING}
    assert warnings == {
        *("RP204", "RP304", "RP402", "RP403", "RP404", "RP405"),
        *("RP610", "RP620", "RP621", "RP630", "RP710", "RP801"),
    }
    assert CODES["RP305"].severity is Severity.ERROR
