"""What a cluster is made of, and the files that a node reads (design note cassandra, sections 2 and 3).

Node N of a cluster has the address ``BASE.N`` (``127.0.0.1`` to ``127.0.0.3`` by default). The ports are Cassandra's
own at each address; JMX always binds 127.0.0.1, so its port tells clusters and nodes apart.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template
from typing import Any

from smok_twisted.errors import UserError

TEMPLATES = Path(__file__).with_name("templates")
NATIVE_PORT = 9042
STORAGE_PORT = 7000
#: One token a node: the ring in equal parts.
TOKENS = {1: [-(2**63)], 3: [-(2**63), -3074457345618258603, 3074457345618258602]}
AUTO = "auto"
LAST_BASE = 99
KEYSTORE_PASSWORD = "cassandra"  # noqa: S105  # of a certificate that only loopback sees
#: The superuser that Cassandra makes when passwords are on.
USER, PASSWORD = "cassandra", "cassandra"

_PERIODIC = "commitlog_sync: periodic\ncommitlog_sync_period: 10000ms\n"
_COMMIT_LOG = {
    # Mapped memory belongs to the system once it is written: SIGKILL loses nothing of it, only a power cut does.
    "periodic": _PERIODIC + "commitlog_disk_access_mode: mmap\n",
    # What is to be compressed waits in the process for the next sync, and dies with it.
    "volatile": _PERIODIC + "commitlog_disk_access_mode: standard\n"
    "commitlog_compression: [{class_name: LZ4Compressor}]\n",
    "group": "commitlog_sync: group\ncommitlog_sync_group_window: 10ms\ncommitlog_disk_access_mode: mmap\n",
}
_PASSWORDS = "authenticator: PasswordAuthenticator\nauthorizer: CassandraAuthorizer\n"
_TLS = """\
client_encryption_options:
  enabled: true
  optional: true
  keystore: '{keystore}'
  keystore_password: {password}
  store_type: PKCS12
"""
_HEAP = re.compile(r"([1-9]\d{2,4})m")
_BASE = re.compile(r"127\.0\.(\d{1,2})")


@dataclass(frozen=True)
class Options:
    """A cluster's settings. UserError when one of them is not accepted.

    - ``nodes``: 1 or 3
    - ``base``: ``127.0.K``, K from 0 to 99: node N listens on ``127.0.K.N``; ``auto`` takes one that is free
    - ``commitlog``: ``periodic`` acknowledges up to 10 s before the disk has it, ``group`` waits for the disk (10 ms),
      ``volatile`` is ``periodic`` where SIGKILL loses what a power cut would
    - ``password``: clients log in (``cassandra``/``cassandra``)
    - ``tls``: clients may speak TLS; the certificate to trust is ``tls/ca.pem`` in the cluster's folder
    - ``heap``: of each node, ``512m`` or more
    - ``namespace``: a network namespace of the cluster's own, which partitions need; clients run inside it
    """

    nodes: int = 3
    base: str = "127.0.0"
    commitlog: str = "periodic"
    password: bool = False
    tls: bool = False
    heap: str = "640m"
    namespace: bool = False

    def __post_init__(self) -> None:
        if self.nodes not in TOKENS:
            raise UserError(f"--nodes {self.nodes}: a cluster has 1 or 3 nodes")
        if self.commitlog not in _COMMIT_LOG:
            raise UserError(f"--commitlog {self.commitlog}: periodic, group or volatile is accepted")
        if self.base != AUTO and not _BASE.fullmatch(self.base):
            raise UserError(f"--base {self.base}: auto or 127.0.K is accepted, K from 0 to {LAST_BASE}")
        if not _HEAP.fullmatch(self.heap) or self.heap_mebioctets < 384:
            raise UserError(f"--heap {self.heap}: mebioctets such as 640m are accepted, 384m or more")

    @property
    def heap_mebioctets(self) -> int:
        """As a number."""
        return int(self.heap[:-1])

    @property
    def numbers(self) -> range:
        """The nodes, counted from 1."""
        return range(1, self.nodes + 1)

    @property
    def addresses(self) -> list[str]:
        """Of the nodes, in their order."""
        return [self.address(number) for number in self.numbers]

    def address(self, number: int) -> str:
        """Of one node."""
        return f"{self.base}.{number}"

    def jmx_port(self, number: int) -> int:
        """On 127.0.0.1: 7199, 7299, 7399, and as many more as the base says."""
        return 7099 + 100 * number + int(self.base.rpartition(".")[2])

    def as_json(self) -> dict[str, Any]:
        """What ``cluster.json`` keeps."""
        return asdict(self)


def cassandra_yaml(options: Options, number: int, folder: Path, tls: Path, replaces: bool = False) -> str:
    """``replaces``: the node has lost its data and takes its own place again, from the others' copies."""
    seeds = [address for at, address in enumerate(options.addresses, 1) if not (replaces and at == number)]
    text = _fill(
        "cassandra.yaml",
        name=f"smok-{options.base}",
        token=TOKENS[options.nodes][number - 1],
        auto_bootstrap=str(replaces).lower(),
        seeds=",".join(f"{address}:{STORAGE_PORT}" for address in seeds),
        address=options.address(number),
        storage_port=STORAGE_PORT,
        native_port=NATIVE_PORT,
        folder=folder,
        memtable_heap=f"{options.heap_mebioctets // 5}MiB",
        replication=options.nodes,
    )
    text += _COMMIT_LOG[options.commitlog]
    if options.password:
        text += _PASSWORDS
    if options.tls:
        text += _TLS.format(keystore=tls, password=KEYSTORE_PASSWORD)
    return text


def server_arguments(options: Options) -> str:
    """For the JVM of a node."""
    return _fill("server.args", heap=options.heap)


def logback(log: Path) -> str:
    """Cassandra's logging, into one file."""
    return _fill("logback.xml", log=log)


def _fill(template: str, **values: object) -> str:
    return Template((TEMPLATES / template).read_text("utf-8")).substitute(values)
