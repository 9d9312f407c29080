"""What a machine may lack."""

from smok_twisted.errors import LocalError


class Missing(LocalError):
    """A cluster needs something that is not here: Java, Maven, memory, a tool, root's rights. Not a fault of a node."""
