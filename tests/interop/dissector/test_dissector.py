#!/usr/bin/env python3
"""What tshark shows of frames by docs/peers/npipes.lua. `run` installs tshark."""

import collections
import pathlib
import struct
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
import zlib

from capture import SERVER_PORT, USER0, Capture

DOCS = pathlib.Path(__file__).resolve().parents[3] / "docs"
VERDICTS = ("corrupt", "refused", "after", "truncated", "partial")

HELLO = {
    "documented": bytes.fromhex("11000000 05000000 48656c6c6f 8289d1f7"),
    "npipes-1.0.1": bytes.fromhex("0000000d 00000005 48656c6c6f f7d18982"),
    "little-after-itself": bytes.fromhex("0d000000 05000000 48656c6c6f 8289d1f7"),
    "big-whole-packet": bytes.fromhex("00000011 00000005 48656c6c6f f7d18982"),
}
DOCUMENTED = HELLO["documented"]
WRONG_LENGTHS = bytes.fromhex("12000000 05000000 48656c6c6f 8289d1f7")


class Shown:
    """A frame, or the reason why there is none, as one packet shows it."""

    def __init__(self, item):
        fields = {field.get("name"): field for field in item.iter("field")}
        self.values = {name: field.get("show") for name, field in fields.items()}
        self.texts = [field.get("showname") for field in fields.values()]
        self.event = next((name for name in VERDICTS if f"npipes.{name}" in fields), None)
        if self.event is None:
            payload = fields.get("npipes.payload")
            self.event = "payload:" + ("" if payload is None else payload.get("value"))


def dissect(capture, dialect="detect", options=()):
    """Returns what tshark shows, by who sent it."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "capture.pcap")
        capture.write(path)
        command = ["tshark", "-n", "-r", path, "-X", f"lua_script:{DOCS}/peers/npipes.lua"]
        command += ["-d", f"tcp.port=={SERVER_PORT},npipes", "-o", f"npipes.dialect:{dialect}"]
        command += ["-Y", "npipes", "-T", "pdml", "-J", "npipes", *options]
        run = subprocess.run(command, capture_output=True, timeout=300)
    errors = run.stderr.decode()
    if run.returncode != 0 or "Lua" in errors:
        raise AssertionError(f"tshark: {run.returncode}: {errors}")
    shown = collections.defaultdict(list)
    for packet in ElementTree.fromstring(run.stdout).iter("packet"):
        number = int(packet.find(".//field[@name='num']").get("show"))
        shown[capture.senders[number - 1]] += map(Shown, packet.iterfind("proto[@name='npipes']"))
    return shown


def outcome(shown):
    """Puts what is shown of one direction, which was closed, into the words of the vectors."""
    events = [frame.event for frame in shown if frame.event != "after"]
    return " ".join(events if events and events[-1] in ("refused", "truncated") else [*events, "end"])


def vectors(dialect):
    for line in (DOCS / "wire-vectors.tsv").read_text().splitlines():
        if not line.startswith("#"):
            name, expected, stream, result = line.split("\t")
            if expected == dialect:
                yield name, bytes.fromhex(stream), result


def ways_to_split(stream):
    """Pieces that arrive one by one: the whole, each byte, and all that two pieces can be."""
    yield [stream]
    yield [stream[at : at + 1] for at in range(len(stream))]
    if len(stream) < 100:
        for cut in range(1, len(stream)):
            yield [stream[:cut], stream[cut:]]


class Vectors(unittest.TestCase):
    def check(self, dialect, options=()):
        answer = HELLO.get(dialect, DOCUMENTED)
        capture, sent = Capture(), []
        for name, stream, expected in vectors(dialect):
            for pieces in ways_to_split(stream):
                connection = capture.connection()
                # The other direction goes on whatever becomes of this one.
                connection.send("server", answer)
                for piece in pieces:
                    connection.send("client", piece)
                connection.send("server", answer)
                connection.finish("client")
                connection.finish("server")
                sent.append((name, pieces, connection, expected))
        self.assertGreater(len(sent), 20)
        shown = dissect(capture, dialect, options)
        for name, pieces, connection, expected in sent:
            with self.subTest(name, pieces=[piece.hex() for piece in pieces]):
                self.assertEqual(outcome(shown[connection, "client"]), expected)
                self.assertEqual(
                    outcome(shown[connection, "server"]), "payload:48656c6c6f payload:48656c6c6f end"
                )

    def test_documented(self):
        self.check("documented")

    def test_npipes_1_0_1(self):
        self.check("npipes-1.0.1")

    def test_little_after_itself(self):
        self.check("little-after-itself")

    def test_big_whole_packet(self):
        self.check("big-whole-packet")

    def test_detect(self):
        self.check("detect")

    def test_a_second_pass_over_the_capture_shows_the_same(self):
        self.check("detect", ["-2"])
        self.check("documented", ["-2"])

    def test_every_vector_is_for_one_of_these(self):
        lines = (DOCS / "wire-vectors.tsv").read_text().splitlines()
        here = sum(len(list(vectors(dialect))) for dialect in [*HELLO, "detect"])
        self.assertEqual(here, len([line for line in lines if not line.startswith("#")]))


class Streams(unittest.TestCase):
    def setUp(self):
        self.capture = Capture()
        self.connection = self.capture.connection()

    def shown(self, end="client", **settings):
        return dissect(self.capture, **settings)[self.connection, end]

    def test_a_dialect_is_detected_in_each_direction_and_shown(self):
        self.connection.send("client", HELLO["npipes-1.0.1"])
        self.connection.send("server", HELLO["little-after-itself"])
        for end, dialect in [("client", "npipes-1.0.1"), ("server", "little-after-itself")]:
            [frame] = self.shown(end)
            self.assertEqual(frame.event, "payload:48656c6c6f")
            self.assertEqual(frame.values["npipes.dialect"], dialect)

    def test_a_crc_is_right_or_wrong_or_none(self):
        wrong, none = DOCUMENTED[:-1] + b"\0", DOCUMENTED[:-4] + bytes(4)
        self.connection.send("client", DOCUMENTED + wrong + none)
        frames = self.shown()
        self.assertEqual([frame.values["npipes.crc32.status"] for frame in frames], ["1", "0", "2"])
        self.assertIn("The CRC-32 is 00d18982, that of the payload f7d18982", frames[1].texts)

    def test_wrong_lengths_are_shown_and_nothing_is_decoded_after_them(self):
        self.connection.send("client", WRONG_LENGTHS)
        self.connection.send("client", DOCUMENTED)
        wrong, after = self.shown()
        self.assertEqual((wrong.event, after.event), ("refused", "after"))
        self.assertEqual(wrong.values["npipes.message_length"], "18")
        self.assertEqual(wrong.values["npipes.data_length"], "5")

    def test_the_longest_payload_is_a_setting(self):
        self.connection.send("client", DOCUMENTED)
        [frame] = self.shown(options=["-o", "npipes.limit:4"])
        self.assertEqual(frame.event, "refused")

    def test_a_payload_of_many_segments_is_one_frame(self):
        payload = bytes(range(251)) * 4178
        frame = struct.pack("<II", len(payload) + 12, len(payload)) + payload
        self.connection.send("client", frame + struct.pack("<I", zlib.crc32(payload)) + DOCUMENTED)
        self.assertEqual([f.event for f in self.shown()], ["payload:" + payload.hex(), "payload:48656c6c6f"])

    def test_a_segment_that_is_sent_again_counts_once(self):
        self.connection.send("client", DOCUMENTED[:10])
        self.connection.send_again("client", DOCUMENTED[:10])
        self.connection.send("client", DOCUMENTED[10:])
        self.connection.finish("client")
        self.assertEqual(outcome(self.shown()), "payload:48656c6c6f end")

    def test_an_end_inside_a_frame_says_what_has_arrived(self):
        for end, finish in [("client", self.connection.finish), ("server", self.connection.reset)]:
            self.connection.send(end, DOCUMENTED[:9])
            self.connection.send(end, DOCUMENTED[9:12])
            finish(end)
            [frame] = self.shown(end)
            self.assertEqual(frame.event, "truncated")
            self.assertIn("The stream ends inside a frame: 12 bytes of 17 have arrived", frame.texts)

    def test_a_stream_that_goes_on_after_the_capture_has_no_end(self):
        self.connection.send("client", DOCUMENTED + DOCUMENTED[:9])
        self.assertEqual([frame.event for frame in self.shown()], ["payload:48656c6c6f"])


class Packets(unittest.TestCase):
    def test_a_packet_that_was_not_captured_whole_is_not_decoded(self):
        capture = Capture(snaplen=64)
        connection = capture.connection()
        connection.send("client", DOCUMENTED)
        [frame] = dissect(capture)[connection, "client"]
        self.assertEqual(frame.event, "partial")

    def test_without_tcp_each_packet_is_a_stream(self):
        capture = Capture(link=USER0)
        capture.record(DOCUMENTED + DOCUMENTED, "frames")
        capture.record(HELLO["npipes-1.0.1"], "another dialect")
        capture.record(DOCUMENTED[:9], "a part")
        capture.record(WRONG_LENGTHS, "wrong lengths")
        shown = dissect(capture)
        self.assertEqual(
            {sender: [frame.event for frame in frames] for sender, frames in shown.items()},
            {
                "frames": ["payload:48656c6c6f", "payload:48656c6c6f"],
                "another dialect": ["payload:48656c6c6f"],
                "a part": ["truncated"],
                "wrong lengths": ["refused"],
            },
        )


if __name__ == "__main__":
    unittest.main()
