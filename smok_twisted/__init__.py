"""SMOK: reach, watch and safely command MODBUS equipment that sits behind NAT.

The folders are the path of a byte: framing, cipher, handshake, links, devices, storage.
docs/life_of_a_byte.rst walks it.
"""

__version__ = "4.0.0.dev0"
