"""Tests the example pipecat."""

import pathlib
import random
import tempfile
import zlib

from program import LIMIT, WINDOWS, Program, pipe, run, start

# A pipe on Unix is a stream of bytes.
KINDS = ("byte", "message") if WINDOWS else ("byte",)


def pipecat():
    with tempfile.TemporaryDirectory() as folder:
        pipecat_files(pathlib.Path(folder))
        pipecat_decode(pathlib.Path(folder))
        pipecat_exchange(pathlib.Path(folder))
    pipecat_misbehaving()
    pipecat_conform()
    pipecat_usage()
    pipecat_list()


def pipecat_files(folder):
    big = folder / "big"
    contents = random.Random(8).randbytes(5 * 1024 * 1024 + 321)
    big.write_bytes(contents)
    (folder / "none").write_bytes(b"")
    crc = f"CRC-32 {zlib.crc32(contents):08x}"
    for file, size, options in (
        ("big", len(contents), ()),
        ("big", len(contents), ("--dialect", "npipes-1.0.1", "--chunk", "1000000", "--progress")),
        ("none", 0, ()),
    ):
        name = pipe()
        (folder / "copy").unlink(missing_ok=True)
        receiver = start("pipecat", "receive-file", name, "copy", "--listen", cwd=folder)
        receiver.expect("listening on")
        sender = run(0, "pipecat", "send-file", name, file, *options, cwd=folder, lines=[f"sent {size} bytes"])
        receiver.ends(0, f"received {size} bytes")
        if (folder / "copy").read_bytes() != (folder / file).read_bytes():
            raise receiver.failure("the copy is another file")
        if size:
            sender.has(f"{crc}; the receiver has the same", 1)
            receiver.has(crc, 1)
    sender_first = pipe()
    sender = start("pipecat", "send-file", sender_first, "big", "--listen", "--type", KINDS[-1], cwd=folder)
    sender.expect("listening on")
    receiver = start("pipecat", "receive-file", sender_first, "copy2", "--wait", str(LIMIT), cwd=folder)
    receiver.ends(0, f"received {len(contents)} bytes")
    sender.ends(0, "the receiver has the same")

    run(1, "pipecat", "receive-file", name, "copy", cwd=folder, lines=["copy exists already"])
    run(1, "pipecat", "send-file", name, "nowhere", cwd=folder, lines=["nowhere: "])
    # A sender that leaves in the middle, and one that sends no file.
    for sent, options, complaint in (
        (("file 10", "12345"), ["--close"], "left after 5 of 10 bytes"),
        (("hello",), [], "does not announce a file"),
    ):
        name = pipe()
        receiver = start("pipecat", "receive-file", name, "half", "--listen", cwd=folder)
        receiver.expect("listening on")
        texts = [word for text in sent for word in ("--text", text)]
        run(0, "pipecat", "connect", name, *texts, *options)
        receiver.ends(1, complaint)
        if (folder / "half").exists():
            raise receiver.failure("half a file stands under the name of a whole one")


def pipecat_decode(folder):
    good, bad = "11000000 05000000 48656c6c6f 8289d1f7", "11000000 05000000 49656c6c6f 8289d1f7"
    (folder / "capture").write_bytes(bytes.fromhex(good + bad + good))
    run(1, "pipecat", "decode", "capture", cwd=folder, lines=[
        "< frame 1 at byte 0: 5 bytes, header 11000000 05000000 (documented), CRC-32 f7d18982 ok", '"Hello"',
        "< frame 2 at byte 17:", "< frame 3 at byte 34:", "received 3 frames, 15 bytes, 1 wrong",
        "1 of the frames were wrong",
    ]).has("CRC-32 WRONG: it says f7d18982, the payload has cab1a032", 1)
    run(1, "pipecat", "decode", "capture", "--max-payload", "3", cwd=folder, lines=["5 bytes, 3 are allowed"])
    run(1, "pipecat", "decode", "capture", "--quiet", cwd=folder, lines=["received 3 frames"]).has('"Hello"', 0)
    run(0, "pipecat", "decode", lines=["received 0 frames"])


def pipecat_exchange(folder):
    name = pipe()
    server = start("echo_server", name)
    server.expect("listening on")
    run(0, "pipecat", "connect", name, "--text", "one", "--text", "two", "--replies", "2", lines=[
        "byte type", "> frame 1: 3 bytes, header 0f000000 03000000 (documented)", '"one"', '"two"', "received 2 frames, 6 bytes, 0 wrong; sent 2 frames, 6 bytes",
    ])
    run(0, "pipecat", "connect", name, "--text", "one", "--replies", "1", "--dump", "--times", lines=[
        " > frame 1: 3 bytes", " < frame 1 at byte 0: 3 bytes", "6f 6e 65                                         |one|",
    ])
    run(0, "pipecat", "connect", name, "--bytes", "0c000000 00000000 00000000", "--raw", "--idle", "3", lines=[
        "< 12 bytes at byte 0", "0c 00 00 00 00 00 00 00 00 00 00 00",
    ])
    message = random.Random(9).randbytes(200_000)
    (folder / "message").write_bytes(message)
    for _ in range(2):
        run(0, "pipecat", "connect", name, "--message", "message", "--save", "saved", "--replies", "1", cwd=folder,
            lines=["200000 bytes", "and 199744 bytes more"])
    if (folder / "saved").read_bytes() != message * 2:
        raise server.failure("--save has saved something else")
    taken = start("pipecat", "listen", name)
    taken.ends(1, "is taken")
    server.kill()
    # Every dialect is detected and answered in, over both types of pipe.
    for dialect in ("documented", "npipes-1.0.1", "little-after-itself", "big-whole-packet"):
        for kind in KINDS:
            name = pipe()
            listener = start("pipecat", "listen", name, "--type", kind, "--lines", "--replies", "1")
            listener.expect("listening on")
            caller = start("pipecat", "connect", name, "--text", "Hello", "--dialect", dialect, "--replies", "1")
            caller.expect(f"{kind} type")
            listener.expect(f"({dialect}), CRC-32 f7d18982 ok")
            caller.kill()
    if not WINDOWS:
        run(69, "pipecat", "listen", pipe(), "--type", "message", lines=["only Windows has pipes of message type"])
    name = pipe()
    listener = start("pipecat", "listen", name, "--receive-crc", "require")
    listener.expect("listening on")
    run(0, "pipecat", "connect", name, "--text", "Hello", "--send-crc", "zero", "--close")
    listener.ends(1, "a client has connected: process", "CRC-32 MISSING, the payload has f7d18982")


def pipecat_misbehaving():
    # What is wrong at once ends the listener, which the caller waits for; elsewhere the caller ends.
    for bytes_sent, caller, options, complaints in (
        ("11000000 05000000 49656c6c6f 8289d1f7", ["--close"], [], [
            "CRC-32 WRONG: it says f7d18982, the payload has cab1a032", '"Iello"',
        ]),
        ("0000000d 00000005 48656c6c6f f7d18982", [], ["--dialect", "documented"], [
            "do not fit the documented dialect", "00 00 00 0d 00 00 00 05", "8 more, as in a length after itself",
            "try --dialect npipes-1.0.1",
        ]),
        ("474554202f20485454502f312e310d0a", [], [], ["|GET / HT|", "no dialect fits"]),
        ("11000000 05000000 4865", ["--close"], [], [
            "the stream ended inside a frame: 10 of 17 bytes arrived", "|........He|",
        ]),
        ("0cffffff 00ffffff", [], [], ["the peer announces a payload of 4294967040 bytes, 16777216 are allowed"]),
    ):
        name = pipe()
        listener = start("pipecat", "listen", name, *options)
        listener.expect("listening on")
        run(0, "pipecat", "connect", name, "--bytes", bytes_sent, *caller)
        listener.ends(1, *complaints)
    # It goes on with the next client, whatever the last one was.
    name = pipe()
    listener = start("pipecat", "listen", name, "--keep")
    listener.expect("listening on")
    run(0, "pipecat", "connect", name, "--bytes", "00", "--close")
    listener.expect("1 of 8 bytes arrived")
    run(0, "pipecat", "connect", name, "--text", "Hello", "--close")
    listener.expect('"Hello"')
    listener.kill()
    stalled = pipe()
    listener = start("pipecat", "listen", stalled, "--stall")
    listener.expect("listening on")
    # Tokio itself reads up to 4 KiB ahead.
    run(1, "pipecat", "connect", stalled, "--text", "x" * 5000, "--close", lines=["the peer does not read"])
    listener.kill()
    run(1, "pipecat", "connect", pipe(), lines=["not found once"])


def pipecat_conform():
    name = pipe()
    server = start("echo_server", name)
    server.expect("listening on")
    run(0, "pipecat", "conform", name, "--wait", "10", lines=["37 of 37 vectors passed"])
    server.kill()
    # A peer that answers everything with the same, and never hangs up.
    name = pipe()
    listener = start("pipecat", "listen", name, "--text", "Hello", "--stall", "--keep")
    listener.expect("listening on")
    wrong = start("pipecat", "conform", name)
    wrong.expect("FAIL empty: it answers")
    wrong.kill()
    listener.kill()


def pipecat_usage():
    for arguments, complaint in (
        ([], "a command is missing"),
        (["fly"], 'there is no command "fly"'),
        (["connect"], "the pipe is missing"),
        (["send-file", "x"], "the file is missing"),
        (["connect", "x", "y"], '"y" is one argument too many'),
        (["connect", "x", "--keep"], "connect has no option --keep"),
        (["connect", "x", "--dialect", "klingon"], "there is no such dialect"),
        (["connect", "x", "--bytes", "abc"], "odd number of hex digits"),
        (["connect", "x", "--replies", "1", "--close"], "one of them"),
        (["connect", "x", "--replies", "0"], "at least 1"),
        (["connect", r"\\.\x"], "it is a path, and not one to a pipe"),
    ):
        run(64, "pipecat", *arguments, lines=[complaint])
    run(0, "pipecat", "--help", lines=["pipecat - talk to a named pipe", "Exit codes"])


def pipecat_list():
    name = pipe()
    listener = start("pipecat", "listen", name)
    listener.expect("listening on")
    listing = Program("pipecat", "list")
    listing.process.wait(LIMIT)
    # Windows and Unix list their pipes, and Wine says that it cannot.
    if WINDOWS and listing.process.returncode:
        listing.ends(69, "does not list")
    else:
        listing.ends(0, name)
    listener.kill()
