"""The local journal in front of Cassandra: what was taken from devices, on this machine's own disk, before anybody else
has it (design note storage, "Nothing lost").

``segment`` and ``batches`` are the pure half; ``files`` does the blocking work; ``journal`` is the Twisted half.
"""
