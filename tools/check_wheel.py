"""Use the built wheel as a stranger would: install it in a fresh environment, start the daemon, uninstall it.

``check_wheel.py FOLDER`` takes the one wheel in FOLDER. Every step is printed; the first that fails ends the check
with exit status 1.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from pathlib import Path

START_SECONDS = 30
STOP_SECONDS = 30

COMPILED_IN_USE = """
from smok_twisted.cipher import rabbit, _rabbit
assert rabbit.compiled() is _rabbit, "the pure cipher is in use"
print(_rabbit.__file__)
"""

DISSECTOR_COMPLETE = r"""
import re
from smok_twisted.tools.capture import DISSECTOR
needed = {DISSECTOR.name}
for file in DISSECTOR.parent.glob("*.lua"):
    needed.update(name + ".lua" for name in re.findall(r'need\("(\w+)"\)', file.read_text()))
missing = [name for name in needed if not (DISSECTOR.parent / name).exists()]
assert not missing and len(needed) > 1, missing
print("all", len(needed), "files of Wireshark's dissector are there")
"""

SCHEMAS_COMPLETE = """
from smok_twisted.storage.database import schema
found = {name: len(schema(name)) for name in ("sqlite", "cassandra")}
assert found["sqlite"] and found["cassandra"], found
print("the scripts of both schemas are there:", found)
"""

TWISTED_INTACT = """
import base64, hashlib, importlib.metadata as metadata
damaged = []
for file in metadata.files("twisted"):
    if file.hash:
        digest = hashlib.new(file.hash.mode, file.read_binary()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
            damaged.append(str(file))
assert not damaged, damaged
print("every file of Twisted is as it was installed")
"""


class Environment:
    """A fresh virtual environment; everything runs in a folder outside the source tree."""

    def __init__(self, folder: Path) -> None:
        self._bin = folder / "venv" / "bin"
        self.work = folder / "work"
        self.work.mkdir()
        venv.create(folder / "venv", with_pip=True)
        # The source tree must not be found by accident.
        self._environ = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COVERAGE"))}

    def start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one of the environment's programs."""
        print("+", program, *arguments, flush=True)
        return subprocess.Popen([self._bin / program, *arguments], cwd=self.work, env=self._environ)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of the environment's programs; stop the check if it fails."""
        status = self.start(program, *arguments).wait()
        if status:
            sys.exit(f"{program} {' '.join(arguments)}: exit status {status}")

    def lists_smok(self) -> bool:
        """Whether ``twistd --help`` works and lists our command."""
        command = [str(self._bin / "twistd"), "--help"]
        done = subprocess.run(command, cwd=self.work, env=self._environ, stdout=subprocess.PIPE, text=True, check=True)
        return any(line.split()[:1] == ["smok"] for line in done.stdout.splitlines())


def free_port() -> int:
    """A TCP port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def configure(folder: Path, web_port: int) -> str:
    """Write a configuration with every listener on a free port of the loopback; its name."""
    ports = {"smok4": free_port(), "gateway": free_port(), "web": web_port}
    listen = "\n".join(f'{name} = "tcp:{port}:interface=127.0.0.1"' for name, port in ports.items())
    (folder / "smok.toml").write_text(f"[listen]\n{listen}\n", encoding="utf-8")
    return "smok.toml"


def wait_until_healthy(url: str, daemon: subprocess.Popen[bytes]) -> None:
    """Return when ``url`` answers 200; stop the check when the daemon ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if daemon.poll() is not None:
            sys.exit(f"the daemon ended with exit status {daemon.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                print(url, answer.status, flush=True)
                return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
    sys.exit(f"{url} did not answer within {START_SECONDS} s")


def check_daemon(environment: Environment) -> None:
    """``twistd -n smok`` starts, answers, and ends when asked to."""
    port = free_port()
    daemon = environment.start("twistd", "-n", "smok", "--config", configure(environment.work, port))
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}/healthz", daemon)
        daemon.terminate()
        status = daemon.wait(STOP_SECONDS)
    finally:
        daemon.kill()
        daemon.wait()
    # twistd ends in the very signal that it was asked with, after it has shut down.
    if status != -signal.SIGTERM:
        sys.exit(f"asked to stop, the daemon ended with exit status {status}")


def check(wheel: Path, folder: Path) -> None:
    """All of it, in ``folder``."""
    environment = Environment(folder)
    environment.run("python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel))
    environment.run("python", "-c", COMPILED_IN_USE)
    environment.run("python", "-c", DISSECTOR_COMPLETE)
    environment.run("python", "-c", SCHEMAS_COMPLETE)
    if not environment.lists_smok():
        sys.exit("twistd --help does not list smok: the drop-in was not found")
    print("twistd --help lists smok")
    check_daemon(environment)
    environment.run("python", "-m", "pip", "uninstall", "--quiet", "--yes", "smok-twisted")
    if environment.lists_smok():
        sys.exit("twistd --help still lists smok after it was uninstalled")
    environment.run("python", "-c", TWISTED_INTACT)
    print("uninstalled; twistd works as before")


def main(wheels: Path) -> None:
    """Check the one wheel in ``wheels``."""
    (wheel,) = wheels.glob("*.whl")
    folder = Path(tempfile.mkdtemp(prefix="smok-wheel-"))
    try:
        check(wheel.resolve(), folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
