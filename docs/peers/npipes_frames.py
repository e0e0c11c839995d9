r"""npipes frames for Python 3, with the standard library alone.

    message length  4 bytes  n + 12, the whole packet    all numbers are little-endian
    data length     4 bytes  n
    payload         n bytes
    CRC-32          4 bytes  zlib's, of the payload; 0 when the sender computes none

A client opens a pipe as an unbuffered file. Its reads and writes take turns: while one thread waits
in a read, Windows holds up the writes of the others.

    with open(r"\\.\pipe\example", "r+b", buffering=0) as pipe:
        write(pipe, b"hello")
        reply = read(pipe)

On Unix the file is a socket's, which has no such hold-up: `client.makefile("rwb", buffering=0)`.

On Windows a server, or a client of a message-type pipe, uses multiprocessing.connection, which makes
message-type pipes and takes a frame as one message. Give it no authkey: that adds a handshake.

    with Listener(r"\\.\pipe\example", "AF_PIPE") as listener, listener.accept() as connection:
        connection.send_bytes(encode(decode(connection.recv_bytes())))
"""

import struct
import zlib

OVERHEAD = 12
# Bounds the payload, so what a peer can make this process allocate at once.
MAX_LENGTH = 16 << 20


class FrameError(ValueError):
    """What arrived is not a frame; after it the pipe is of no more use."""


def encode(payload, crc=True):
    """Returns the frame of a payload."""
    if len(payload) > MAX_LENGTH:
        raise ValueError(f"{len(payload)} bytes of payload, more than {MAX_LENGTH}")
    header = struct.pack("<II", len(payload) + OVERHEAD, len(payload))
    return header + payload + struct.pack("<I", zlib.crc32(payload) if crc else 0)


def decode(frame):
    """Returns the payload of exactly one frame."""
    if len(frame) < OVERHEAD or _payload_length(frame[:8]) != len(frame) - OVERHEAD:
        raise FrameError(f"{len(frame)} bytes are not one frame")
    payload, (sent,) = frame[8:-4], struct.unpack("<I", frame[-4:])
    if sent not in (0, zlib.crc32(payload)):
        raise FrameError(f"CRC-32 is {zlib.crc32(payload):08x}, the frame says {sent:08x}")
    return payload


def write(pipe, payload, crc=True):
    """Writes one frame to an unbuffered file."""
    rest = memoryview(encode(payload, crc))
    while rest:
        rest = rest[pipe.write(rest) :]


def read(pipe):
    """Returns the next payload from an unbuffered file, or None at its end."""
    header = _read_up_to(pipe, 8)
    if not header:
        return None
    if len(header) < 8:
        raise FrameError("the pipe ended inside a header")
    length = _payload_length(header)
    if length > MAX_LENGTH:
        raise FrameError(f"{length} bytes of payload, more than {MAX_LENGTH}")
    rest = _read_up_to(pipe, length + 4)
    if len(rest) < length + 4:
        raise FrameError("the pipe ended inside a frame")
    return decode(header + rest)


def _payload_length(header):
    message_length, length = struct.unpack("<II", header)
    if message_length != length + OVERHEAD:
        raise FrameError(f"message length {message_length} does not fit data length {length}")
    return length


def _read_up_to(pipe, size):
    data = bytearray()
    while len(data) < size:
        part = pipe.read(size - len(data))
        if not part:
            break
        data += part
    return bytes(data)
