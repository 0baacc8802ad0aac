"""The rule language as text: source, grammar, syntax tree, types, checking. Knows no message and no verb."""
