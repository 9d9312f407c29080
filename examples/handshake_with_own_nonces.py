"""The handshake alone, with your own source of nonces: two machines talk, no socket, no Twisted protocol.

Run it: python examples/handshake_with_own_nonces.py
"""

import itertools

from smok_twisted.cipher.record import Suite
from smok_twisted.handshake.machine import DeviceHandshake, ServerHandshake
from smok_twisted.handshake.messages import Login, Welcome
from smok_twisted.handshake.roles import Candidate

SECRET = bytes(range(20))
boots = itertools.count(1)  # a device would keep this number over a reboot
server_nonces = itertools.count(1000)  # only for the example: a real server takes os.urandom


def find(device_id: int, kid: int, suite: Suite) -> Candidate:
    """Where your application keeps secrets."""
    return Candidate(SECRET, genuine=device_id == 42, refusal="unknown-device")


device = DeviceHandshake(42, 0, {Suite.RABBIT_SHA1: SECRET}, nonce=next(boots), unique_for_good=True)
server = ServerHandshake(find, [Suite.RABBIT_SHA1], lambda octets: next(server_nonces).to_bytes(octets))

chosen = server.hello(device.start())
agreed = device.choice(chosen.choice, Login(flags=0, max_rx=255, firmware=1, boot=1, tick=0, cursor=0))

record = agreed.sending.sealer().seal(agreed.login)
proven = server.login(chosen.receiving.opener().open(record))
print("the server knows:", hex(proven.hello.device_id))

record = chosen.sending.sealer().seal(server.welcome(Welcome(1_800_000_000, 24, 0, cursor=0)))
print("the device knows:", device.welcome(agreed.receiving.opener().open(record)))
