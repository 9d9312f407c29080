"""Java 17 and Cassandra's jars, which come from Maven once and are kept outside of the project's folder.

The folder's name holds the hash of ``templates/pom.xml``: another version is another folder, and what is there needs
no network. It is ``~/.cache/smok/cassandra-HASH`` unless XDG_CACHE_HOME, or SMOK_CASSANDRA_JARS, names another place.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from .configuration import TEMPLATES
from .locks import exclusive
from .missing import Missing

POM = TEMPLATES / "pom.xml"
MAVEN_SECONDS = 900
_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
#: A folder that holds exactly one of each is whole.
_NEEDED = ("cassandra-all", "jamm", "jna", "logback-classic")
_VERSION_17 = re.compile(r'version "17[."]')


def find_java(environment: Mapping[str, str], installed: Path = Path("/usr/lib/jvm")) -> str:
    """The ``java`` of version 17: of JAVA_HOME, of what the system installed, or on PATH. Missing when none is."""
    homes = [Path(environment["JAVA_HOME"])] if environment.get("JAVA_HOME") else []
    homes += sorted(installed.glob("*17*"))
    candidates = [str(home / "bin" / "java") for home in homes]
    on_path = shutil.which("java", path=environment.get("PATH", ""))
    for java in [*candidates, *([on_path] if on_path else [])]:
        if os.access(java, os.X_OK) and _VERSION_17.search(_version(java)):
            return java
    raise Missing(
        "Java 17 is needed and is neither in JAVA_HOME, nor below /usr/lib/jvm, nor on PATH: install it"
        " (Debian, Ubuntu: apt install openjdk-17-jre-headless); Cassandra 5.0 runs on no newer one"
    )


def find_jars(environment: Mapping[str, str], say: Callable[[str], None]) -> Path:
    """The folder of jars, filled when it is not there. Missing when Maven is missing or fails."""
    folder = jars_folder(environment)
    if is_whole(folder):
        return folder
    with exclusive(folder.with_suffix(".lock")):
        if not is_whole(folder):
            _fetch(folder, environment, say)
    return folder


def jars_folder(environment: Mapping[str, str]) -> Path:
    """Where the jars of this pom belong."""
    cache = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    parent = environment.get("SMOK_CASSANDRA_JARS") or Path(cache) / "smok"
    return Path(parent).absolute() / f"cassandra-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"


def is_whole(folder: Path) -> bool:
    """Whether it holds what makes a node."""
    return all(len(list(folder.glob(f"{name}-[0-9]*.jar"))) == 1 for name in _NEEDED)


def _fetch(folder: Path, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    maven = shutil.which("mvn", path=environment.get("PATH", ""))
    if maven is None:
        raise Missing(
            "Cassandra's jars are not here yet and Maven, which fetches them, is not on PATH:"
            " install it (Debian, Ubuntu: apt install maven)"
        )
    say(f"fetching Cassandra's jars through Maven into {folder}, once (67 MB) ...")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="filling-") as temporary:
        filling = Path(temporary) / "lib"
        command = [maven, "-B", "-q", "-f", str(POM), _GOAL, f"-DoutputDirectory={filling}", "-DincludeScope=runtime"]
        _run_maven(command, environment)
        if not is_whole(filling):
            raise Missing(f"Maven ended well and did not bring one each of {', '.join(_NEEDED)}: run it again")
        shutil.rmtree(folder, ignore_errors=True)
        filling.rename(folder)


def _run_maven(command: list[str], environment: Mapping[str, str]) -> None:
    try:
        done = subprocess.run(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=MAVEN_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise Missing(f"Maven did not fetch Cassandra's jars within {MAVEN_SECONDS} s: run it again") from None
    if done.returncode:
        words = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line] or ["it said nothing"]
        raise Missing(
            f"Maven could not fetch Cassandra's jars (the first time needs a network or a mirror): {words[0]}"
        )


def _version(java: str) -> str:
    return subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60).stderr
