"""The pure functions of expressions, grouped by subject. Each module has its functions in `FUNCTIONS`."""
