"""Captured conversations through the decoders of the daemon: ``smok replay``, and any Protocol of ours in a test.

``findings`` is what is found; ``modbus``, ``smok4`` and ``p24`` read one conversation each, and ``player`` picks who
reads which: all of them are pure. ``into`` plays one side of a conversation to a Twisted protocol.
"""
