"""Wire layer 4: MODBUS.

Pure: ``pdu`` and ``responses`` (what is asked and answered), ``rtu`` and ``mbap`` (how it is framed), ``codecs``,
``scaling`` and ``points`` (what register words mean), ``maps``, ``map_points``, ``fields`` and ``durations`` (a model
written down in TOML), ``plan`` and ``estimate`` (what is read together, and what that costs), ``bank`` (a unit in
memory). Twisted: ``protocol``, ``rtu_client`` and ``server`` (one connection), ``lines`` (a bus that reconnects by
itself).
"""
