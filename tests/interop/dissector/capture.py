"""Captures of streams of bytes, as tcpdump would have made them, in the file format pcap."""

import struct

SERVER_PORT = 7000
FIRST_CLIENT_PORT = 10000
# Link types of the format.
ETHERNET, USER0 = 1, 147
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
SEGMENT = 1448


class Capture:
    """A capture in the making. `snaplen` is how many bytes of a packet it keeps."""

    def __init__(self, link=ETHERNET, snaplen=65535):
        self.snaplen = snaplen
        self.connections = 0
        # Who sent each packet, in the order of the capture: a connection and its end.
        self.senders = []
        self.file = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snaplen, link)]

    def record(self, packet, sender=None):
        time = divmod(len(self.senders), 1_000_000)
        kept = packet[: self.snaplen]
        self.file.append(struct.pack("<IIII", *time, len(kept), len(packet)) + kept)
        self.senders.append(sender)

    def connection(self):
        self.connections += 1
        return Connection(self, FIRST_CLIENT_PORT + self.connections)

    def write(self, path):
        path.write_bytes(b"".join(self.file))


class Connection:
    """One TCP connection. Its ends are "client" and "server"."""

    def __init__(self, capture, port):
        self.capture = capture
        self.port = port
        self.sequence = {"client": 0xFFFFFF00, "server": 1000}
        self.segment("client", flags=SYN)
        self.segment("server", flags=SYN | ACK)
        self.segment("client", flags=ACK)

    def send(self, end, data):
        for at in range(0, len(data), SEGMENT):
            self.segment(end, data[at : at + SEGMENT])

    def send_again(self, end, data):
        """Repeats what was sent last, as TCP does when an acknowledgement is late."""
        self.sequence[end] -= len(data)
        self.segment(end, data)

    def finish(self, end):
        self.segment(end, flags=FIN | ACK)

    def reset(self, end):
        self.segment(end, flags=RST | ACK)

    def segment(self, end, data=b"", flags=PSH | ACK):
        other = "client" if end == "server" else "server"
        ports = (self.port, SERVER_PORT) if end == "client" else (SERVER_PORT, self.port)
        sequence, acknowledged = self.sequence[end] % 2**32, self.sequence[other] % 2**32
        tcp = struct.pack(">HHIIBBHHH", *ports, sequence, acknowledged, 5 << 4, flags, 65535, 0, 0)
        addresses = b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02"
        if end == "server":
            addresses = addresses[::-1]
        total = 20 + len(tcp) + len(data)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, 0, 0, 64, 6, 0, *addresses)
        self.capture.record(bytes(12) + b"\x08\x00" + ip + tcp + data, (self, end))
        self.sequence[end] += len(data) + (flags & (SYN | FIN) != 0)
