"""Serve SMOK/4 in your own Twisted application, with your own idea of a device and your own store.

The layers up to the login are ours; what a proven device is, what becomes of its messages and where they are kept is
yours. So that there is something to see, a device dials in here too. Run it: python examples/serve_smok4.py
"""

import os
import time

from twisted.cred.portal import Portal
from twisted.internet import task
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol

from smok_twisted.cipher.protocol import RecordLayer
from smok_twisted.cipher.record import Suite
from smok_twisted.framing.admission import Admission, AdmissionLimits
from smok_twisted.framing.codec import FrameDecoder
from smok_twisted.framing.factory import FramedFactory
from smok_twisted.framing.protocol import FramedProtocol, FramingTimes
from smok_twisted.handshake.cred import Attachment, IDeviceAvatar, KeyringChecker
from smok_twisted.handshake.keyring import Keyring, Slot
from smok_twisted.handshake.machine import DeviceHandshake
from smok_twisted.handshake.messages import Login
from smok_twisted.handshake.protocol import DeviceLogin
from smok_twisted.links.smok4 import messages, plans
from smok_twisted.links.smok4.rounds import RoundDecoder, RoundEncoder
from smok_twisted.readings import Block, BlockReport, Round, Table
from smok_twisted.stack import CHOICE_OCTETS, smok4_server

SECRET = bytes(range(20))
PLAN = [Block(1, Table.HOLDING, 0, 2, interval_seconds=60, report_seconds=0, deadband=0)]
done: Deferred[None] = Deferred()


class Store:
    """Your store: it takes its time, and the device hears nothing before it is done."""

    def __init__(self, reactor):
        self.reactor = reactor
        self.cursors = {}  # device and boot: the newest batch that is durable

    def cursor(self, whose):
        return self.cursors.get(whose, 0)

    def keep(self, whose, batch, rounds):
        if (self.cursor(whose) - batch) & 0xFFFF < 0x8000:  # it is there: a device that heard no ACK says it again
            return succeed(batch)
        return task.deferLater(self.reactor, 0.05, self.committed, whose, batch, rounds)

    def committed(self, whose, batch, rounds):
        self.cursors[whose] = batch
        print(f"stored: batch {batch} of device {whose[0]:#x}: {rounds[0].reports[0].words}")
        return batch


class Boiler:
    """Your device, and the layer above the login: gets every message of the session."""

    def __init__(self, store):
        self.store = store

    def attach(self, proven):  # IDeviceAvatar
        self.whose = proven.proven.hello.device_id, proven.proven.login.boot
        self.decoder = RoundDecoder(PLAN)
        return succeed(Attachment(self, self.store.cursor(self.whose)))

    def started(self, below):
        self.below = below

    def received(self, body):
        if body[0] == messages.Type.PLANOK and messages.decode_plan_ok(body[1:])[0] != 1:
            for part in plans.encode(1, PLAN):
                self.below.send(part)
        elif body[0] == messages.Type.DATA:
            kept = self.store.keep(self.whose, int.from_bytes(body[1:3]), self.decoder.decode(body[3:]))
            kept.addCallback(lambda batch: self.below.send(messages.ack(batch)))

    def stopped(self, mood):
        pass


class Realm:
    """twisted.cred's realm: ids in, your devices out."""

    def __init__(self, store):
        self.store = store

    def requestAvatar(self, avatarId, mind, *interfaces):
        return IDeviceAvatar, Boiler(self.store), lambda: None


class Device:
    """The other end: takes the plan and sends one batch, and again, as if the ACK had been lost."""

    def started(self, below):
        self.below = below
        self.acks = 0
        below.send(messages.plan_ok(0))

    def received(self, body):
        if body[0] == messages.Type.PLAN:
            self.below.send(messages.plan_ok(1))
            self.report()
        elif body[0] == messages.Type.ACK:
            self.acks += 1
            self.report() if self.acks == 1 else self.below.close("done")

    def report(self):
        rounds = RoundEncoder(PLAN).encode([Round(0, (BlockReport(0, (600, 41)),))])
        self.below.send(bytes((messages.Type.DATA,)) + (1).to_bytes(2) + rounds)

    def stopped(self, mood):
        done.callback(None)


class Observer:
    """What goes wrong is told here."""

    def violated(self, source, error):
        print(source, error)

    def crashed(self, source, failure):
        failure.printTraceback()

    def ended(self, source, mood):
        pass


async def main(reactor):
    def wall_clock():
        return time.time_ns() // 1000

    keyring = Keyring(os.urandom(32), wall_clock)
    keyring.put(42, [Slot(0, Suite.RABBIT_SHA1, SECRET, wall_clock())])
    portal = Portal(Realm(Store(reactor)), [KeyringChecker(keyring, lambda device_id, slots: None)])
    stack = smok4_server(
        keyring.find, portal, suites=list(Suite), keepalive_10s=24, wall_clock=wall_clock, random=os.urandom
    )
    factory = FramedFactory(stack, reactor, Admission(AdmissionLimits()), Observer())
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)

    nonce = time.time_ns()
    handshake = DeviceHandshake(42, 0, {Suite.RABBIT_SHA1: SECRET}, nonce, unique_for_good=True)
    login = Login(flags=0, max_rx=255, firmware=1, boot=1, tick=0, cursor=0)
    layers = RecordLayer(DeviceLogin(handshake, lambda: login, lambda welcome: Device()))
    device = FramedProtocol(FrameDecoder(CHOICE_OCTETS), layers, reactor, FramingTimes(), Observer())
    await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port), device)
    await done
    await port.stopListening()


task.react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
