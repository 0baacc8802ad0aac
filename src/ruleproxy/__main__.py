"""`python -m ruleproxy`."""

from ruleproxy.commands import main

main()
