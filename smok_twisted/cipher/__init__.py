"""Wire layer 2: the Rabbit cipher and the records of SMOK/4.

``rabbit`` and ``record`` are pure; ``_rabbit`` is both of them in C, used where it could be compiled;
``protocol`` is the layer between framing and handshake.
"""
