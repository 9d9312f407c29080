"""What was: reports packed hour by hour, summed up day by day, read back as series (design note storage).

``columns``, ``chunk``, ``stretch``, ``summary``, ``traces``, ``series``, ``rows``, ``checking``, ``imported`` and
``import_page`` are the pure half; ``packer`` makes the log small, ``reader`` finds the cheapest place that has an
answer. Both work on any ``storage.interface.Store``.
"""
