"""A real Cassandra 5.0 on this machine, out of Maven's jars, for development, tests and CI.

As a command: ``python -m tools.cassandra up`` (``--help`` has the rest). From Python::

    from tools.cassandra import Cluster, Options, cluster

    with cluster(Options(base="auto", commitlog="group")) as it:   # three nodes, free addresses, a temporary folder
        it.addresses                # ["127.0.41.1", "127.0.41.2", "127.0.41.3"], port 9042
        it.kill(2)                  # kill -9; stop(2) is SIGTERM; pause(2) and resume(2) are SIGSTOP and SIGCONT
        it.start(2)                 # returns when a row can be written and read at ALL through each node
        it.kill_all()
        it.up()

    Cluster("/some/folder")         # one that was started before, in this process or another

Partitions need root and a namespace of the cluster's own: ``Options(namespace=True)``, then ``it.partition(3)`` and
``it.heal()``. Its nodes are reached from inside only: ``it.run("python", "-m", "tests.something")``, or
``subprocess.Popen([*it.prefix, ...])``.
"""

from .cluster import Cluster
from .configuration import Options
from .lending import cluster
from .missing import Missing
from .status import NodeStatus

__all__ = ["Cluster", "Missing", "NodeStatus", "Options", "cluster"]
