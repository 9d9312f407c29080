"""The search for attacks on the login finds none, finds one on each weakened login, and speaks of the real code."""

from __future__ import annotations

from collections import Counter
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import RemoteError
from smok_twisted.handshake import messages

from .dolev_yao import (
    BROKEN,
    DEVICE,
    FORGED,
    OWN,
    PROMISES,
    PROTOCOL,
    RECORDS,
    SCOPES,
    SERVER,
    WEAKENED,
    Choice,
    Hello,
    Move,
    Protocol,
    Record,
    Scope,
    State,
    attack,
    deliveries,
    states,
)
from .test_handshake_login import DEVICE_ID, DeviceEnd, ServerEnd


class Search(SynchronousTestCase):
    """Two sessions of the device, three of the server, an attacker who owns the wire."""

    def test_no_attack(self) -> None:
        """In every state that can be reached every promise holds."""
        for scope in SCOPES:
            for found in states(PROTOCOL, scope):
                for promise in PROMISES:
                    if not promise(PROTOCOL, found.state):
                        self.fail(f"{promise.__name__} is broken by {found.moves}")

    def test_each_part_is_needed(self) -> None:
        """Without any one of its parts the protocol is broken, and the attack is found."""
        self.assertEqual(BROKEN.keys(), WEAKENED.keys())
        for name, promises in BROKEN.items():
            for promise in promises:
                self.assertIsNotNone(attack(WEAKENED[name], promise), (name, promise.__name__))

    def test_parts_break_no_other_promise(self) -> None:
        """What is said to hold without a part does hold (in the scope of two and two)."""
        for name, protocol in WEAKENED.items():
            for promise in set(PROMISES) - BROKEN[name] if protocol.tag else ():  # without tags no search ends
                for found in states(protocol, Scope(2, 2)):
                    self.assertTrue(promise(protocol, found.state), (name, promise.__name__))

    def test_honest_logins_are_among_the_states(self) -> None:
        """The search does not find nothing because nobody can talk: both devices get all their records through."""
        for scope in (Scope(1, 1), Scope(2, 2)):
            ends = [found.state.sessions for found in states(PROTOCOL, scope)]
            whole = [all(len(session.heard) == RECORDS for session in sessions) for sessions in ends if sessions]
            self.assertIn(True, whole)


class Real:
    """The handshake, the keys and the records of ``smok_twisted``, moved as the model is."""

    def __init__(self, protocol: Protocol, random: Random) -> None:
        self._fresh_device_nonces = protocol.fresh_device_nonces
        self._random = random
        self._ends: dict[str, list[DeviceEnd | ServerEnd]] = {DEVICE: [], SERVER: []}
        self._nonces = {OWN: random.getrandbits(64)}
        self._records: dict[tuple[tuple[str, int], int], bytes] = {}
        self._dead: set[DeviceEnd | ServerEnd] = set()

    def play(self, move: Move) -> bool:
        """Whether the session takes what it is given; one that does not is closed, as the framing would."""
        try:
            self._play(move)
        except RemoteError:
            self._dead.update(self._ends[move.role][move.number : move.number + 1])
            return False
        return True

    def is_closed(self, move: Move) -> bool:
        """Whether the session has refused something."""
        return any(end in self._dead for end in self._ends[move.role][move.number : move.number + 1])

    def _play(self, move: Move) -> None:
        match move.item:
            case None:
                self._device_starts(move.number)
            case Hello(offer, nonce):
                self._server_starts(messages.Hello(offer, 0, DEVICE_ID, self._nonces[nonce]))
            case Choice(suite, nonce):
                self._deliver(move, messages.Choice(suite, self._nonces[nonce]).encode())
            case Record() as record:
                self._deliver(move, self._octets(record))

    def _device_starts(self, number: int) -> None:
        nonce = self._random.getrandbits(64) if self._fresh_device_nonces or not number else self._nonces["Nd0"]
        end = DeviceEnd(nonce)
        end.start()
        self._nonces[f"Nd{number}"] = nonce
        self._ends[DEVICE].append(end)

    def _server_starts(self, hello: messages.Hello) -> None:
        end = ServerEnd(self._random.randbytes)
        choice = messages.Choice.decode(end.take(hello.encode()))
        self._nonces[f"Ns{len(self._ends[SERVER])}"] = choice.nonce
        self._ends[SERVER].append(end)

    def _deliver(self, move: Move, octets: bytes) -> None:
        """A first record in return is LOGIN or WELCOME; the rest is said at once, as in the model."""
        end = self._ends[move.role][move.number]
        if answer := end.take(octets):
            said = [answer, *(end.say(b"\x04data") for _ in range(1, RECORDS))]
            self._records |= {((move.role, move.number), number): record for number, record in enumerate(said)}

    def _octets(self, record: Record) -> bytes:
        if record == FORGED:
            return b"\x0b" + self._random.randbytes(11 + self._random.choice((8, 16)))
        return self._records[record.maker, record.number]


def honest_moves(state: State) -> list[Move]:
    """What happens when nobody attacks."""
    moves = [Move(DEVICE, len(state.devices), None)] if len(state.devices) < 2 else []
    for device in state.devices:
        if len(state.servers) < 3:
            moves.append(Move(SERVER, len(state.servers), device.hello))
        if device.choice is None:
            answers = (server.choice for server in state.servers if server.hello == device.hello)
            moves += [Move(DEVICE, device.number, choice) for choice in answers]
    return moves + [move for move in deliveries(state) if PROTOCOL.play(state, move)]


def any_move(state: State, random: Random) -> Move:
    """Some move in no order at all, senseless ones too."""
    nonces = sorted({item.nonce for item in state.wire if isinstance(item, Hello)})
    chosen = sorted({item.nonce for item in state.wire if isinstance(item, Choice)})
    moves = [Move(SERVER, len(state.servers), Hello(random.randrange(4), random.choice([*nonces, OWN])))]
    if len(state.servers) == 3:
        del moves[0]
    for device in state.devices:
        moves.append(Move(DEVICE, device.number, Choice(random.randrange(4), random.choice([*chosen, OWN]))))
    records = list(deliveries(state))
    return random.choice(records) if records and (not moves or random.random() < 0.6) else random.choice(moves)


class Tie(SynchronousTestCase):
    """The model and the real machines take and refuse the same."""

    def same(self, model: Protocol, state: State, real: Real, move: Move) -> State | None:
        after = model.play(state, move)
        self.assertEqual(real.play(move), after is not None, (state, move))
        return after

    def test_random_traces(self) -> None:
        """2,000 conversations under attack, step by step: one step in four is the attacker's."""
        outcomes: Counter[tuple[type, bool]] = Counter()
        random = Random(4)
        for _ in range(2000):
            state, real = State(), Real(PROTOCOL, random)
            for _ in range(14):
                honest = honest_moves(state) if random.random() < 0.75 else []
                move = random.choice(honest) if honest else any_move(state, random)
                if not real.is_closed(move):
                    after = self.same(PROTOCOL, state, real, move)
                    outcomes[type(move.item), after is not None] += 1
                    state = after or state
        for item in (Hello, Choice, Record):
            for taken in (True, False):
                self.assertGreater(outcomes[item, taken], 200, (item, taken))

    def test_attacks_on_the_weakened_do_nothing_to_the_real(self) -> None:
        """Each attack of the search, tried on the real code: it stops where the model stops, and nothing is broken."""
        for name, promises in BROKEN.items():
            for promise in promises if WEAKENED[name].fresh_device_nonces else ():
                found = attack(WEAKENED[name], promise)
                state, real = State(), Real(PROTOCOL, Random(4))
                for move in self.sound(found.moves):
                    state = self.same(PROTOCOL, state, real, move) or state
                self.assertTrue(promise(PROTOCOL, state), name)

    def sound(self, moves: tuple[Move, ...]) -> list[Move]:
        """``moves`` up to the first that the protocol refuses, with its own records for those of the weakened one."""
        told, state = [], State()
        for move in moves:
            if isinstance(move.item, Record):
                same = (item for item in state.wire if isinstance(item, Record) and item[2:] == move.item[2:])
                move = move._replace(item=next(same))
            told.append(move)
            after = PROTOCOL.play(state, move)
            if after is None:
                break
            state = after
        return told

    def test_a_device_that_repeats_its_nonce(self) -> None:
        """The attack on repeated nonces is the device's own to prevent: the real code goes along with it.

        That is why the server remembers nonces, and what it finds repeated is a security event.
        """
        repeating = WEAKENED["Nd repeated"]
        for promise in BROKEN["Nd repeated"]:
            state, real = State(), Real(repeating, Random(4))
            for move in attack(repeating, promise).moves:
                state = self.same(repeating, state, real, move)
            self.assertFalse(promise(repeating, state))
