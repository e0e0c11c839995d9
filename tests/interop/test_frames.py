#!/usr/bin/env python3
"""Tests of docs/peers/npipes_frames.py and peers/npipes_peer.py that need no Windows."""

import io
import multiprocessing
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

PEERS = pathlib.Path(__file__).resolve().parent / "peers"
sys.path.insert(0, str(PEERS.parents[2] / "docs" / "peers"))

from npipes_frames import FrameError, MAX_LENGTH, decode, encode, read, write  # noqa: E402

HELLO = bytes.fromhex("11000000 05000000 48656c6c6f 8289d1f7")
HELLO_NO_CRC = bytes.fromhex("11000000 05000000 48656c6c6f 00000000")
EMPTY = bytes.fromhex("0c000000 00000000 00000000")


class Frames(unittest.TestCase):
    def test_the_bytes_are_those_of_the_format(self):
        self.assertEqual(encode(b"Hello"), HELLO)
        self.assertEqual(encode(b"Hello", crc=False), HELLO_NO_CRC)
        self.assertEqual(encode(b""), EMPTY)
        self.assertEqual([decode(HELLO), decode(HELLO_NO_CRC), decode(EMPTY)], [b"Hello", b"Hello", b""])

    def test_any_changed_bit_is_an_error_but_for_those_of_an_absent_crc(self):
        for bit in range(8 * len(HELLO)):
            changed = bytearray(HELLO)
            changed[bit // 8] ^= 1 << bit % 8
            with self.assertRaises(FrameError, msg=bit):
                read(io.BytesIO(changed))

    def test_each_cut_is_an_error_and_only_none_is_the_end(self):
        for cut in range(1, len(HELLO)):
            with self.assertRaises(FrameError, msg=cut):
                read(io.BytesIO(HELLO[:cut]))
            with self.assertRaises(FrameError, msg=cut):
                decode(HELLO[:cut])
        self.assertIsNone(read(io.BytesIO()))

    def test_a_message_is_one_frame(self):
        with self.assertRaises(FrameError):
            decode(HELLO + HELLO)

    def test_too_much_is_refused_on_both_sides(self):
        with self.assertRaises(ValueError):
            encode(bytes(MAX_LENGTH + 1))
        header = (MAX_LENGTH + 13).to_bytes(4, "little") + (MAX_LENGTH + 1).to_bytes(4, "little")
        with self.assertRaises(FrameError):
            read(io.BytesIO(header))

    def test_frames_pass_through_a_stream_that_splits_them(self):
        left, right = socket.socketpair()
        with left, right, left.makefile("wb", buffering=0) as ours, right.makefile("rb", buffering=0) as theirs:
            sizes = [0, 1, 300_000, 5]
            writer = threading.Thread(target=lambda: [write(ours, bytes(size)) for size in sizes])
            writer.start()
            self.assertEqual([len(read(theirs)) for _ in sizes], sizes)
            writer.join()

    def test_a_message_connection_carries_frames(self):
        ours, theirs = multiprocessing.Pipe()
        with ours, theirs:
            ours.send_bytes(encode(b"Hello"))
            self.assertEqual(decode(theirs.recv_bytes()), b"Hello")


@unittest.skipIf(sys.platform == "win32", "Unix sockets stand in for pipes")
class Peer(unittest.TestCase):
    def test_the_client_and_the_server_understand_each_other(self):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, str(PEERS / "npipes_peer.py")]
            name = f"{folder}/socket"
            with subprocess.Popen([*command, "server", "byte", name, "2"], stdout=subprocess.PIPE, text=True) as server:
                for _ in range(2):
                    client = subprocess.run([*command, "client", "byte", name], stdout=subprocess.PIPE, text=True)
                    self.assertEqual((client.returncode, client.stdout), (0, "ok 16 messages\n"))
                self.assertEqual(server.communicate()[0], "listening\nserved 2 connections, 32 messages\n")
            self.assertEqual(server.returncode, 0)


if __name__ == "__main__":
    unittest.main()
