"""``python -m tools.cassandra``: the verbs of ``Cluster`` for a person."""

from __future__ import annotations

import argparse
import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from smok_twisted.errors import LocalError, UserError
from smok_twisted.tools.arguments import Parser

from .backup import KEYSPACE, back_up, restore
from .cluster import FOLDER, Cluster
from .configuration import PASSWORD, USER, Options
from .lending import run_tests
from .waiting import PROJECT

#: Of consistency, as CQL names them.
LEVELS = ("ONE", "TWO", "THREE", "QUORUM", "ALL", "LOCAL_ONE", "LOCAL_QUORUM", "EACH_QUORUM", "ANY")
#: For whoever has it for the first time.
NEXT = """
Three things to do now (more: {tool} --help):
  {tool} cql                    a CQL prompt
  {tool} kill {last}                 kill -9 of a node; `status` shows it, `start {last}` brings it back
  {tool} down                   stop it; `wipe` then removes its data
"""

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

EXAMPLES = """\
examples:
  python -m tools.cassandra up                         three nodes on 127.0.0.1 to 127.0.0.3
  python -m tools.cassandra kill 2                     kill -9; then: start 2
  python -m tools.cassandra cql "SELECT release_version FROM system.local"
  python -m tools.cassandra nodetool status
  python -m tools.cassandra up --namespace             as root: then partition 3, heal, run -- COMMAND
  python -m tools.cassandra backup /mnt/usb/smok-2026-01-31
  python -m tools.cassandra down

--folder names another cluster; several run side by side with --base auto."""


def main(argv: Sequence[str]) -> int:
    """Run one verb; the exit status: 0 done, 1 it cannot be done, 2 wrong usage, else that of the command run."""
    try:
        args = _parser().parse_args(argv)
        status = args.run(args)
        return OK if status is None else int(status)
    except UserError as error:
        return _tell(error, USAGE)
    except LocalError as error:
        return _tell(error, FAILED)
    except OSError as error:
        return _tell(error, FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED


def _tell(error: Exception, status: int) -> int:
    print(f"cassandra: {error}", file=sys.stderr, flush=True)
    return status


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> Parser:
    parser = Parser(
        prog="python -m tools.cassandra",
        description="A real Cassandra 5.0 on this machine, for trying things out and for tests.",
        epilog=EXAMPLES,
    )
    below = parser.add_subparsers(metavar="VERB", required=True, title="verbs")

    def verb(name: str, run: Callable[[Namespace], int | None], help: str) -> Parser:
        added: Parser = below.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
        added.set_defaults(run=run)
        added.add_argument(
            "--folder", metavar="DIR", type=Path, default=FOLDER, help="where the cluster is (default ./cassandra-data)"
        )
        return added

    _add_up(verb("up", _up, "start the cluster, or what of it does not run, and wait until it is ready"))
    down = verb("down", _down, "stop all nodes that were started here; data stay")
    down.add_argument("--hard", action="store_true", help="kill -9 instead of SIGTERM and up to 30 s of patience")
    for name, help in (
        ("kill", "kill -9 one node"), ("stop", "stop one node (SIGTERM)"), ("start", "start one node again"),
        ("pause", "hold one node (SIGSTOP): its connections stay, it answers nothing"),
        ("resume", "let a node that is held go on (SIGCONT)"),
        ("partition", "cut one node off from the others; needs up --namespace"),
    ):  # fmt: skip
        verb(name, _on_node(name), help).add_argument("node", metavar="N", type=int, help="counted from 1")
    verb("heal", lambda args: _open(args).heal(), "end partitions")
    verb("status", _status, "what runs, where, with how much memory")
    wipe = verb("wipe", lambda args: _open(args).wipe(args.node), "remove the cluster's data, or those of one node")
    wipe.add_argument("node", metavar="N", type=int, nargs="?", help="this node only: it joins anew at its next start")
    _add_cql(verb("cql", _cql, "one CQL statement, or a prompt (PyPI's cqlsh)"))
    nodetool = verb("nodetool", _nodetool, "Cassandra's own tool, beside node 1")
    nodetool.add_argument("--node", metavar="N", type=int, default=1, help="beside this node")
    nodetool.add_argument("words", metavar="...", nargs=argparse.REMAINDER, help="what nodetool is told")
    backup = verb("backup", _backup, "a keyspace of all nodes into a new folder, with its schema and tokens")
    backup.add_argument("--keyspace", metavar="NAME", default=KEYSPACE, help=f"default {KEYSPACE}")
    backup.add_argument("target", metavar="TO", type=Path)
    restored = verb("restore", _restore, "what backup has made into an empty cluster that runs, with the same tokens")
    restored.add_argument("source", metavar="FROM", type=Path)
    run = verb("run", _run, "run a command where the nodes can be reached: inside the namespace, if there is one")
    run.add_argument("words", metavar="-- COMMAND ...", nargs=argparse.REMAINDER)
    tests = below.add_parser("tests", help="run tests, which start one cluster for all when they need it")
    tests.set_defaults(run=lambda args: run_tests(_words(args)))
    tests.add_argument("words", metavar="-- COMMAND ...", nargs=argparse.REMAINDER)
    return parser


def _add_up(parser: Parser) -> None:
    add = parser.add_argument
    add("--nodes", metavar="1|3", type=int, help="how many (default 3)")
    add(
        "--commitlog",
        metavar="periodic|group|volatile",
        help="when a write is on disk: up to 10 s late (default), at once, or late and lost by kill as by a power cut",
    )
    add("--password", action="store_true", default=None, help=f"clients log in ({USER}/{PASSWORD})")
    add("--tls", action="store_true", default=None, help="clients may speak TLS; they trust DIR/tls/ca.pem")
    add("--heap", metavar="640m", help="of each node (default 640m)")
    add("--base", metavar="127.0.K", help="node N listens on 127.0.K.N (default 127.0.0); auto: what is free")
    add("--namespace", action="store_true", default=None, help="a network namespace, which partitions need; needs root")


def _add_cql(parser: Parser) -> None:
    parser.add_argument("--node", metavar="N", type=int, default=1, help="ask this one")
    parser.add_argument("--consistency", metavar="LEVEL", default="QUORUM", choices=LEVELS, help="default QUORUM")
    parser.add_argument("statement", nargs="?", help="without one: a prompt")


def _open(args: Namespace) -> Cluster:
    cluster = Cluster(args.folder, say=_say)
    if not cluster.exists:
        raise UserError(f"there is no cluster in {args.folder}: `python -m tools.cassandra up` starts one")
    return cluster


def _up(args: Namespace) -> None:
    given = {name: value for name in Options.__annotations__ if (value := getattr(args, name)) is not None}
    kept = Cluster(args.folder)
    if not given and kept.exists:
        cluster = Cluster(args.folder, say=_say)
    else:
        cluster = Cluster(args.folder, Options(**{**(kept.options.as_json() if kept.exists else {}), **given}), _say)
    started = cluster.up()
    print("ready:" if started else "it ran already, nothing was done:", ", ".join(cluster.addresses), "port 9042")
    if started:
        print(NEXT.format(tool=f"{_python()} -m tools.cassandra", last=cluster.options.nodes))


def _python() -> Path:
    python = Path(sys.executable)
    return python.relative_to(PROJECT) if python.is_relative_to(PROJECT) else python


def _down(args: Namespace) -> None:
    print("stopped" if _open(args).down(args.hard) else "nothing ran")


def _on_node(name: str) -> Callable[[Namespace], None]:
    def run(args: Namespace) -> None:
        getattr(_open(args), name)(args.node)

    return run


def _status(args: Namespace) -> None:
    for entry in _open(args).status():
        pid = "" if entry.pid is None else f"pid {entry.pid}, {entry.resident_octets // 2**20} MiB"
        print(f"node {entry.number}  {entry.address}:9042  {entry.state:8}  {pid}".rstrip())


def _cql(args: Namespace) -> int | None:
    cluster = _open(args)
    if args.statement is None:
        login = ["-u", USER, "-p", PASSWORD] if cluster.options.password else []
        return cluster.run(sys.executable, "-m", "cqlshlib", cluster.node(args.node).address, *login).returncode
    rows = cluster.cql(args.statement, args.node, args.consistency)
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))
    return None


def _nodetool(args: Namespace) -> int:
    done = _open(args).nodetool(*args.words, node=args.node)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


def _backup(args: Namespace) -> None:
    back_up(_open(args), args.target, args.keyspace, _say)
    print(f"keyspace {args.keyspace} is in {args.target}; now, within ten minutes, the daemon's half: smok backup FILE")


def _restore(args: Namespace) -> None:
    keyspace = restore(_open(args), args.source, _say)
    print(f"keyspace {keyspace} is there again; now the daemon's half: smok restore FILE")


def _run(args: Namespace) -> int:
    cluster, words = _open(args), _words(args)
    sys.stdout.flush()
    command = [*cluster.prefix, *words]
    try:
        os.execvpe(command[0], command, cluster.environment())
    except FileNotFoundError:
        raise UserError(f"{command[0]}: there is no such command") from None


def _words(args: Namespace) -> list[str]:
    words: list[str] = args.words[1:] if args.words[:1] == ["--"] else args.words
    if not words:
        raise UserError("a command is needed: python -m tools.cassandra run -- COMMAND ...")
    return words
