"""Wire layer 1: from a stream of octets to whole frames.

``codec`` and ``admission`` are pure; ``protocol``, ``outlet`` and ``factory`` are the Twisted half.
"""
