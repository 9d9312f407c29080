"""``make failures``: what takes too long, or too many, for the suite, with the whole daemon.

A line is cut while an order waits, under a keepalive so long that only the kernel can notice (TCP_USER_TIMEOUT);
and ten thousand logins with a wrong secret.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from . import wrong_secrets
from .independent_device import IndependentDevice
from .kill_loop import MODEL
from .namespaces import Networks, inside, lacking
from .processes import Daemon, wait_until


def unsent(folder: Path) -> float:
    """Seconds from an order into a line that is cut until its device is known to be away."""
    networks, daemon = Networks(), Daemon(folder)
    try:
        daemon.config.write_text(
            f'[listen]\nsmok4 = "tcp:{daemon.smok4}"\nweb = "tcp:{daemon.web}:interface=127.0.0.1"\n'
            '[smok4]\nkeepalive = "30m"\n'
        )
        with inside(networks.server):
            daemon.start()
            daemon.api("POST", "/models", MODEL)
            made = daemon.api("POST", "/devices", {"name": "counter", "model": "counter"})
        line = networks.lines[0]
        device = IndependentDevice(line.server, daemon.smok4, int(made["id"], 16), bytes.fromhex(made["secret"]))
        with inside(networks.device):
            device.connect()
        networks.cut(line)
        begun = time.monotonic()
        with inside(networks.server):
            daemon.api("POST", "/devices/counter/modbus", {"unit": 1, "pdu": "0300000001"})
            wait_until(lambda: not daemon.api("GET", "/devices/counter")["connected"], "the end of the session", 300)
            seconds = time.monotonic() - begun
            assert daemon.figure("smok_sessions_ended_total", link="smok4", mood="lost") == 1
        return seconds
    finally:
        if daemon.process is not None:
            daemon.end()
        networks.remove()


def main() -> int:
    """Print the figures; 0 only if all of it is as it should be."""
    if reason := lacking():
        print("not run:", reason)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        seconds = unsent(Path(folder))
    print(f"unsent octets: the session ended after {seconds:.0f} s")
    return wrong_secrets.main() if 45 < seconds < 180 else 1


if __name__ == "__main__":
    sys.exit(main())
