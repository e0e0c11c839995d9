#!/usr/bin/env python3
"""Frames made and read by the Python module npipes 1.0.1 itself, for the tests to compare with.

    golden.py build COUNT SEED    prints COUNT random frames of the module's making, one per line:
                                  WAY ENCODING CRC TEXT FRAME
    golden.py read                reads lines "WAY ENCODING FRAME" and prints for each what the
                                  module reads: "ok CRC TEXT", or "error REASON"
    golden.py pipe                prints what the module asks of Windows, one call per line

WAY is the byte order given to the module's Message class (big, little, native or network), or one
of ipc and ipc-crc: the module's send_message and receive_message with the CRC off and on, which are
big-endian and ASCII, over a stand-in for pywin32. ENCODING is the Python name of a text encoding.
CRC is eight hexadecimal digits, 00000000 for none, or - when the module does not tell. TEXT (as
UTF-8) and FRAME are in hexadecimal, - if empty.

The module is looked for in $NPIPES_INTEROP_CACHE, by default target/interop, where
`tests/interop/fetch module` puts it. Exit code 69: it is not there.
"""

import contextlib
import io
import os
import pathlib
import random
import sys
import types
import zlib

WAYS = ("big", "little", "native", "network", "ipc", "ipc-crc")
# Highest code point of each.
ENCODINGS = {"ascii": 0x7F, "latin-1": 0xFF, "utf-8": 0x10FFFF, "utf-16-le": 0x10FFFF, "utf-16-be": 0x10FFFF}
# The most that the module's one ReadFile takes, less the twelve bytes around a payload.
LARGEST = 65536 - 12


class Windows:
    """Stands in for pywin32: one pipe in memory, and a list of what was called."""

    def __init__(self):
        self.message = b""
        self.calls = []

    def install(self):
        constants = dict(
            PIPE_ACCESS_DUPLEX=3, PIPE_TYPE_MESSAGE=4, PIPE_READMODE_MESSAGE=2, PIPE_WAIT=0, PIPE_NOWAIT=1
        )
        self._module("win32pipe", constants, CreateNamedPipe=1, ConnectNamedPipe=0)
        self._module("win32file", {"ReadFile": self._read_file, "WriteFile": self._write_file}, CloseHandle=None)
        self._module("pywintypes", {"error": type("error", (Exception,), {})})
        self._module("win32security", {})

    def _module(self, name, contents, **results):
        module = sys.modules[name] = types.ModuleType(name)
        vars(module).update(contents)
        for function, result in results.items():
            setattr(module, function, self._recorded(function, result))

    def _recorded(self, function, result):
        def call(*arguments):
            self.calls.append((function, arguments))
            return result

        return call

    def _write_file(self, handle, message):
        self.calls.append(("WriteFile", (handle, message)))
        self.message = message

    def _read_file(self, handle, size):
        self.calls.append(("ReadFile", (handle, size)))
        return (234 if len(self.message) > size else 0), self.message[:size]


def find_module():
    here = pathlib.Path(__file__).resolve().parent
    cache = pathlib.Path(os.environ.get("NPIPES_INTEROP_CACHE") or here / "../../target/interop")
    folder = cache / "npipes-1.0.1"
    if not folder.is_dir():
        print(f"{folder} is missing: run tests/interop/fetch module", file=sys.stderr)
        sys.exit(69)
    sys.path.insert(0, str(folder))


find_module()
windows = Windows()
windows.install()

from npipes.ipc import IPC  # noqa: E402
from npipes.message import Message  # noqa: E402


def build(count, seed):
    rng = random.Random(seed)
    for _ in range(count):
        way = rng.choice(WAYS)
        ipc = way.startswith("ipc")
        encoding = "ascii" if ipc else rng.choice(tuple(ENCODINGS))
        text = random_text(rng, encoding)
        if ipc:
            frame = ipc_send(text, way == "ipc-crc")
            crc = int.from_bytes(frame[-4:], "big")
        else:
            crc = rng.choice((0, text_crc(text, encoding)))
            message = Message(text, crc, encoding, way)
            message.encapsulate_msg()
            frame = message.message
        print(way, encoding, f"{crc:08x}", to_hex(text.encode()), to_hex(frame))


def random_text(rng, encoding):
    roll = rng.random()
    length = rng.randrange(80) if roll < 0.8 else rng.randrange(5000) if roll < 0.98 else rng.randrange(LARGEST // 4)
    highest = ENCODINGS[encoding]
    return "".join(random_char(rng, highest) for _ in range(length))


def random_char(rng, highest):
    while True:
        code = rng.randint(0, min(highest, rng.choice((0x7F, 0xFF, 0x7FF, 0xFFFF, 0x10FFFF))))
        if not 0xD800 <= code < 0xE000:
            return chr(code)


def text_crc(text, encoding):
    # The module takes the CRC of the characters, which is that of the payload where each is a byte.
    if ENCODINGS[encoding] <= 0xFF:
        return IPC._IPC__calc_crc(text)
    return zlib.crc32(text.encode(encoding))


def ipc_send(text, with_crc):
    with contextlib.redirect_stdout(io.StringIO()):
        IPC().send_message(text, with_crc)
    return windows.message


def read(way, encoding, frame):
    if way.startswith("ipc"):
        return ipc_receive(frame, way == "ipc-crc")
    message = Message(encoding=encoding, endian=way)
    try:
        message.read_msg(frame)
    except Exception as error:
        return f"error {error}"
    return f"ok {message.crc32:08x} {to_hex(message.data.encode())}"


def ipc_receive(frame, with_crc):
    windows.message = frame
    with contextlib.redirect_stdout(io.StringIO()) as output:
        text = IPC().receive_message(with_crc)
    # It answers a failure with an empty text, and prints why after these four lines.
    said = output.getvalue().splitlines()[4:]
    return f"error {said[0]}" if said else f"ok - {to_hex(text.encode())}"


def pipe():
    ipc_send("Hello", True)
    ipc_receive(windows.message, True)
    for function, arguments in windows.calls:
        print(f"{function}({', '.join(map(repr, arguments))})")


def to_hex(data):
    return data.hex() or "-"


def from_hex(text):
    return b"" if text == "-" else bytes.fromhex(text)


def main(arguments):
    match arguments:
        case ["build", count, seed]:
            build(int(count), int(seed))
        case ["read"]:
            for line in sys.stdin:
                way, encoding, frame = line.split()
                print(read(way, encoding, from_hex(frame)))
        case ["pipe"]:
            pipe()
        case _:
            print(__doc__, file=sys.stderr)
            sys.exit(64)


if __name__ == "__main__":
    main(sys.argv[1:])
