"""Wire layer 1: from a stream of octets to whole frames. ``codec`` is pure, ``protocol`` is the Twisted half."""
