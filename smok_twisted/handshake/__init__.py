"""Wire layer 3: the login of SMOK/4 and everything about secrets.

``messages``, ``keys``, ``machine``, ``nonces`` and ``takeover`` are pure; ``credentials`` keeps secrets; ``cred`` and
``protocol`` are the Twisted half.
"""
