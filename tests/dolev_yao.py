"""The login as a model, and a search for attacks on it (design note smok4, "Why it holds").

The attacker of Dolev and Yao owns the wire: he stores, edits and redelivers everything, and opens sessions of his own;
he only cannot open or make what is under a key that he lacks. The search visits every state of a small scope. A state
is the sessions of the device, those of the server, and the set of items on the wire.

``PROTOCOL`` is SMOK/4; each of ``WEAKENED`` lacks one of its parts, and the search must find what that part is for.
``python -m tests.dolev_yao`` searches all of them and prints the attacks.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

DEVICE, SERVER = "device", "server"
OWN = "attacker"  #: a nonce that the attacker made up
OFFERS = (1, 2, 3)  #: suite 1, suite 2, both; the honest device offers both
RECORDS = 2  #: LOGIN or WELCOME, and one more, each way


class Hello(NamedTuple):
    """The two fields that an attacker gains from changing."""

    offer: int
    nonce: str


class Choice(NamedTuple):
    """What the server answers."""

    suite: int
    nonce: str


class Record(NamedTuple):
    """A sealed body. ``maker`` is who made it and ``number`` which of his it is: the checks know, the wire does not."""

    key: object
    seq: int
    maker: tuple[str, int]
    number: int


FORGED = Record(None, 0, (OWN, 0), 0)  #: octets of the attacker's own


class Session(NamedTuple):
    """One end of one login: the clear messages as this end has them, and the records that it took."""

    role: str
    number: int
    hello: Hello
    choice: Choice | None
    heard: tuple[Record, ...] = ()

    @property
    def name(self) -> tuple[str, int]:
        """Who makes this session's records."""
        return self.role, self.number


Item = Hello | Choice | Record


class State(NamedTuple):
    """Everything there is."""

    devices: tuple[Session, ...] = ()
    servers: tuple[Session, ...] = ()
    wire: frozenset[Item] = frozenset({FORGED})

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Those of both roles."""
        return self.devices + self.servers


class Move(NamedTuple):
    """The attacker lets session ``number`` of ``role`` have ``item``; a device without one says HELLO.

    A HELLO opens the server session ``number``.
    """

    role: str
    number: int
    item: Item | None


@dataclass(frozen=True)
class Protocol:
    """The rules. Each field that is False takes one of them away."""

    tag: bool = True
    key_per_direction: bool = True
    seq: bool = True
    server_nonce_in_keys: bool = True
    device_nonce_in_keys: bool = True
    offer_in_keys: bool = True
    fresh_device_nonces: bool = True

    def play(self, state: State, move: Move) -> State | None:
        """The state after ``move``; None if the session refuses the item."""
        if move.item is None:
            return self._device_starts(state, move.number)
        if isinstance(move.item, Hello):
            return self._server_starts(state, move.item)
        sessions = state.devices if move.role == DEVICE else state.servers
        session = self._takes(sessions[move.number], move.item)
        if session is None:
            return None
        sessions = (*sessions[: move.number], session, *sessions[move.number + 1 :])
        wire = state.wire.union(self.said(session))
        if move.role == DEVICE:
            return State(sessions, state.servers, wire)
        return State(state.devices, sessions, wire)

    def _device_starts(self, state: State, number: int) -> State:
        hello = Hello(3, f"Nd{number if self.fresh_device_nonces else 0}")
        session = Session(DEVICE, number, hello, None)
        return State((*state.devices, session), state.servers, state.wire | {hello})

    def _server_starts(self, state: State, hello: Hello) -> State | None:
        number = len(state.servers)
        suites = [suite for suite in (1, 2) if hello.offer & suite]
        if not suites:
            return None
        choice = Choice(max(suites), f"Ns{number}")
        session = Session(SERVER, number, hello, choice)
        return State(state.devices, (*state.servers, session), state.wire | {choice})

    def _takes(self, session: Session, item: Choice | Record) -> Session | None:
        if isinstance(item, Choice):
            offered = session.choice is None and item.suite in (1, 2) and item.suite & session.hello.offer
            return session._replace(choice=item) if offered else None
        return session._replace(heard=(*session.heard, item)) if self.opens(session, item) else None

    def opens(self, session: Session, record: Record) -> bool:
        """Whether ``session`` takes ``record`` for the next one of its peer."""
        if session.choice is None:
            return False
        if not self.tag:
            return True  # whoever can flip bits writes what he likes
        peer = SERVER if session.role == DEVICE else DEVICE
        seq = len(session.heard) if self.seq else 0
        if (record.key, record.seq) != (self._key(session, peer), seq):
            return False
        return bool(session.heard) or (record.maker[0] == peer and record.number == 0)  # LOGIN or WELCOME, by its type

    def said(self, session: Session) -> Iterator[Record]:
        """A device talks once it has a choice, a server once it has heard LOGIN.

        Both say all that they have to say at once: it only makes the attacker richer.
        """
        if session.choice if session.role == DEVICE else session.heard:
            key = self._key(session, session.role)
            for number in range(RECORDS):
                yield Record(key, number if self.seq else 0, session.name, number)

    def _key(self, session: Session, sender: str) -> object:
        """HMAC with the suite's secret over who sends, HELLO and CHOICE: equal only if all that goes in is."""
        hello, choice = session.hello, session.choice
        assert choice is not None
        return (
            choice.suite,
            self.key_per_direction and sender,
            self.offer_in_keys and hello.offer,
            self.device_nonce_in_keys and hello.nonce,
            self.server_nonce_in_keys and choice.nonce,
        )


PROTOCOL = Protocol()
WEAKENED = {
    "no tag": Protocol(tag=False),
    "one key for both directions": Protocol(key_per_direction=False),
    "no seq": Protocol(seq=False),
    "keys without Ns": Protocol(server_nonce_in_keys=False),
    "keys without Nd": Protocol(device_nonce_in_keys=False),
    "Nd repeated": Protocol(fresh_device_nonces=False),
    "offer outside the key derivation": Protocol(offer_in_keys=False),
}


def transcript_agreement(protocol: Protocol, state: State) -> bool:
    """What a session takes was made by a session of the other role that saw the same HELLO and CHOICE."""
    makers = {session.name: session for session in state.sessions}
    for session in state.sessions:
        for record in session.heard:
            maker = makers.get(record.maker)
            if maker is None or maker.role == session.role or maker[2:4] != session[2:4]:
                return False
    return True


def order(protocol: Protocol, state: State) -> bool:
    """What a session takes is what one maker said, from his first record on, none twice and none left out."""
    return all(
        record[2:] == (session.heard[0].maker, number)
        for session in state.sessions
        for number, record in enumerate(session.heard)
    )


def injectivity(protocol: Protocol, state: State) -> bool:
    """No two sessions of one role believe the same peer."""
    believed = [(session.role, session.heard[0].maker) for session in state.sessions if session.heard]
    return len(believed) == len(set(believed))


def no_weak_suite(protocol: Protocol, state: State) -> bool:
    """Both sides can speak suite 2: no login succeeds with suite 1."""
    return all(session.choice and session.choice.suite == 2 for session in state.sessions if session.heard)


def no_keystream_reuse(protocol: Protocol, state: State) -> bool:
    """No two records are encrypted with the same key and the same number."""
    used = [(record.key, record.seq) for session in state.sessions for record in protocol.said(session)]
    return len(used) == len(set(used))


Promise = Callable[[Protocol, State], bool]
PROMISES: tuple[Promise, ...] = (transcript_agreement, order, injectivity, no_weak_suite, no_keystream_reuse)

#: What each part of the protocol is for: the promises that do not hold without it.
BROKEN: dict[str, set[Promise]] = {
    "no tag": {transcript_agreement, order, injectivity, no_weak_suite},
    "one key for both directions": {transcript_agreement, order, no_keystream_reuse},
    "no seq": {order, no_keystream_reuse},
    "keys without Ns": {transcript_agreement, order, injectivity, no_keystream_reuse},
    "keys without Nd": {transcript_agreement, order, injectivity, no_keystream_reuse},
    "Nd repeated": {order, injectivity, no_keystream_reuse},
    "offer outside the key derivation": {transcript_agreement, no_weak_suite},
}


@dataclass(frozen=True)
class Scope:
    """How many sessions there may be of each role."""

    devices: int
    servers: int

    def moves(self, state: State) -> Iterator[Move]:
        """What the attacker does next.

        HELLO and CHOICE do not depend on records, so nothing is lost by having all of them first; sessions of the
        server are alike but for their names, so their HELLOs come in order.
        """
        device_nonces = sorted({device.hello.nonce for device in state.devices})
        if len(state.devices) < self.devices:
            yield Move(DEVICE, len(state.devices), None)
        elif len(state.servers) < self.servers:
            hellos = sorted(itertools.starmap(Hello, itertools.product(OFFERS, (*device_nonces, OWN))))
            least = state.servers[-1].hello if state.servers else hellos[0]
            yield from (Move(SERVER, len(state.servers), hello) for hello in hellos if hello >= least)
        elif waiting := [device.number for device in state.devices if device.choice is None]:
            nonces = (*(server.choice.nonce for server in state.servers if server.choice), OWN)
            yield from (Move(DEVICE, waiting[0], Choice(*edited)) for edited in itertools.product((1, 2), nonces))
        else:
            yield from deliveries(state)


def deliveries(state: State) -> Iterator[Move]:
    """Any record that was ever on the wire, or a forged one, to any session that still listens."""
    records = sorted((item for item in state.wire if isinstance(item, Record)), key=lambda record: record[2:])
    for session in state.sessions:
        if len(session.heard) < RECORDS:
            yield from (Move(session.role, session.number, record) for record in records)


class Attack(NamedTuple):
    """How the attacker broke a promise: his moves, and what came of them."""

    moves: tuple[Move, ...]
    state: State


def states(protocol: Protocol, scope: Scope) -> Iterator[Attack]:
    """Every state that the attacker can reach, with the moves that lead there."""
    seen, found = {State()}, [Attack((), State())]
    while found:
        moves, state = found.pop()
        yield Attack(moves, state)
        for move in scope.moves(state):
            after = protocol.play(state, move)
            if after is not None and after not in seen:
                seen.add(after)
                found.append(Attack((*moves, move), after))


#: From the smallest, for short attacks.
SCOPES = tuple(itertools.starmap(Scope, ((1, 1), (1, 2), (2, 1), (2, 2), (2, 3))))


def attack(protocol: Protocol, promise: Promise) -> Attack | None:
    """The first attack on ``promise`` in the smallest scope that has one; None: there is none."""
    everywhere = itertools.chain.from_iterable(states(protocol, scope) for scope in SCOPES)
    return next((found for found in everywhere if not promise(protocol, found.state)), None)


def main() -> int:
    """Search SMOK/4, then print one attack for each weakened protocol and promise; status 1 if SMOK/4 is broken, or if
    a weakened one breaks other promises than it is known to."""
    surprises = []
    for scope in SCOPES:
        reached = list(states(PROTOCOL, scope))
        broken = {promise.__name__ for promise in PROMISES for found in reached if not promise(PROTOCOL, found.state)}
        print(f"SMOK/4, {scope}: {len(reached)} states, {'broken: ' + ', '.join(broken) if broken else 'all holds'}")
        surprises += broken
    for name, protocol in WEAKENED.items():
        for promise in PROMISES if protocol.tag else PROMISES[:-1]:  # without tags, that search never ends
            found = attack(protocol, promise)
            print(f"{name}: {promise.__name__} {'broken by' if found else 'holds'}")
            for move in found.moves if found else ():
                print(f"    {move.role} {move.number} <- {move.item or 'dial in'}")
            if (found is not None) != (promise in BROKEN[name]):
                surprises.append(f"{name}: {promise.__name__}")
    print("not as expected:", ", ".join(surprises) or "nothing")
    return 1 if surprises else 0


if __name__ == "__main__":
    sys.exit(main())
