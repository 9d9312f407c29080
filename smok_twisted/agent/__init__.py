"""The device side of SMOK/4: runs beside equipment, reads it by the server's plan and dials in.

``settings``, ``schedule``, ``reporting`` and ``batches`` are pure. ``executor`` reads, ``requests`` runs what the
server asks for, ``spool`` keeps what must survive, ``dialer`` connects; ``service`` puts them together.
"""
