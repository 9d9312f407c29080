"""Secrets at rest."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path

from Crypto.Cipher import ChaCha20_Poly1305
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageError
from smok_twisted.handshake.credentials import Vault, read_key_file

SECRET = b"twenty octets of it!"


class KeyFile(SynchronousTestCase):
    """The file under which all secrets are wrapped."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def read(self) -> bytes:
        return read_key_file(self.path, os.urandom)

    def refusal(self) -> str:
        """The one line that the operator reads."""
        line = str(self.assertRaises(StorageError, self.read))
        self.assertIn(str(self.path), line)
        self.assertNotIn("\n", line)
        return line

    def test_first_start(self) -> None:
        """It is made with 32 random octets that only the owner can read, whatever the umask."""
        self.addCleanup(os.umask, os.umask(0))
        key = self.read()
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual((len(key), self.path.read_bytes()), (32, key))

    def test_second_start(self) -> None:
        """It is read back, not made anew."""
        self.assertEqual(self.read(), self.read())

    def test_each_is_another(self) -> None:
        """Two daemons have two keys."""
        self.assertNotEqual(self.read(), read_key_file(Path(self.mktemp()), os.urandom))

    def test_others_may_use_it(self) -> None:
        """A file that group or others have any right to is refused, with the command that helps."""
        self.read()
        for mode in (0o640, 0o604, 0o620, 0o602, 0o610, 0o601):
            self.path.chmod(mode)
            self.assertIn(f"chmod 600 {self.path}", self.refusal())
        self.path.chmod(0o400)
        self.assertEqual(len(self.read()), 32)

    def test_wrong_length(self) -> None:
        """A file that was cut, or is something else, is refused and left as it is."""
        for octets in (0, 31, 33, 5000):
            self.path.write_bytes(b"k" * octets)
            self.path.chmod(0o600)
            self.assertIn("32 octets", self.refusal())
            self.assertEqual(self.path.stat().st_size, octets)

    def test_no_folder(self) -> None:
        """A folder that is not there is said so."""
        self.path = self.path / "key"
        self.assertIn("No such file or directory", self.refusal())

    def test_a_folder_in_its_place(self) -> None:
        """So is a folder where the file should be."""
        self.path.mkdir()
        self.assertIn("Is a directory", self.refusal())

    def test_made_by_somebody_else_meanwhile(self) -> None:
        """A file that appears between looking and making is never overwritten."""

        def random(octets: int) -> bytes:
            self.path.write_bytes(b"theirs")
            return bytes(octets)

        line = str(self.assertRaises(StorageError, read_key_file, self.path, random))
        self.assertIn("File exists", line)
        self.assertEqual(self.path.read_bytes(), b"theirs")

    def test_full_disk(self) -> None:
        """A key that cannot be written leaves no file behind."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8, hard))
        try:
            self.assertIn("cannot be written", self.refusal())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        self.assertFalse(self.path.exists())


class WrappedSecrets(SynchronousTestCase):
    """What the store keeps."""

    def setUp(self) -> None:
        self.vault = Vault(b"k" * 32, os.urandom)
        self.wrapped = self.vault.wrap(SECRET, 7, 0, 1)

    def test_round_trip(self) -> None:
        """A secret comes back under the same key file, in the next process too."""
        self.assertEqual(Vault(b"k" * 32, os.urandom).unwrap(self.wrapped, 7, 0, 1), SECRET)

    def test_it_is_hidden(self) -> None:
        """Nothing of it can be seen, and no two wrappings are alike."""
        self.assertNotIn(SECRET[:4], self.wrapped)
        again = self.vault.wrap(SECRET, 7, 0, 1)
        self.assertFalse({self.wrapped[i : i + 8] for i in range(52)} & {again[i : i + 8] for i in range(52)})

    def test_moved_to_another_device(self) -> None:
        """A wrapped secret cannot be given to another device, slot or suite."""
        for owner in ((8, 0, 1), (7, 1, 1), (7, 0, 2)):
            self.assertRaises(StorageError, self.vault.unwrap, self.wrapped, *owner)

    def test_another_key_file(self) -> None:
        """The operator is told which secret does not open, and what to put back."""
        other = Vault(b"K" * 32, os.urandom)
        line = str(self.assertRaises(StorageError, other.unwrap, self.wrapped, 7, 0, 1))
        self.assertIn("device 0x0000000000000007", line)
        self.assertIn("key file", line)

    def test_damaged(self) -> None:
        """Any flipped bit and any missing octet is found."""
        damaged = [self.wrapped[:cut] for cut in range(len(self.wrapped))]
        for bit in range(len(self.wrapped) * 8):
            octets = bytearray(self.wrapped)
            octets[bit // 8] ^= 1 << bit % 8
            damaged.append(bytes(octets))
        for octets in damaged:
            self.assertRaises(StorageError, self.vault.unwrap, octets, 7, 0, 1)

    def test_the_node_secret(self) -> None:
        """Decoy keys hang on the key file, and are not the key that wraps."""
        self.assertEqual(self.vault.node_secret, Vault(b"k" * 32, os.urandom).node_secret)
        self.assertNotEqual(self.vault.node_secret, Vault(b"K" * 32, os.urandom).node_secret)
        wrong = ChaCha20_Poly1305.new(key=self.vault.node_secret, nonce=self.wrapped[:24])
        self.assertNotEqual(wrong.decrypt(self.wrapped[24:-16]), SECRET)
