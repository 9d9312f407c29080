"""Captured conversations through the decoders of the daemon: ``smok replay``, and any Protocol of ours in a test.

``findings`` is what is found; ``modbus``, ``smok4`` and ``p24`` read one conversation each, and ``player`` picks who
reads which. ``filling`` says what of it a device's history lacks, by what ``layout`` and ``stored`` tell. All of them
are pure. ``store`` puts it there; ``into`` plays one side of a conversation to a Twisted protocol.
"""
