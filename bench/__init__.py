"""How fast, how small: our layers beside references, measured in the same run (docs/performance.rst)."""
