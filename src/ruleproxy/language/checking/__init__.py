"""The checker: from syntax trees to everything that is wrong with what they say.

`files` goes through the items, `rules` and `expectations` through one item, `statements` and `actions` through
bodies, `expressions` through values. What is known at a point is a `Scope`; `narrowing` says what a condition adds
to it, `places` what may be written.
"""

from ruleproxy.language.checking.files import check_files
from ruleproxy.language.checking.remembering import CheckMemory
from ruleproxy.language.checking.units import UsedPack

__all__ = ["CheckMemory", "UsedPack", "check_files"]
