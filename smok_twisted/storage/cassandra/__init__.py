"""History in Cassandra, through any single failure (design notes storage and cassandra).

``bridge`` (with ``driver``, ``circuit`` and ``schema``) is of use alone; ``store`` puts it together with the journal
and a local file. ``pending``, ``rows``, ``tables`` and ``circuit`` are pure. The driver is imported when it is needed,
never before: it would install its own reactor.
"""
