// npipes frames for .NET: reads and writes them over any Stream, such as a NamedPipeServerStream
// or a NamedPipeClientStream opened with PipeOptions.Asynchronous.
//
//     message length  4 bytes  n + 12, the whole packet    all numbers are little-endian
//     data length     4 bytes  n
//     payload         n bytes
//     CRC-32          4 bytes  zlib's, of the payload; 0 when the sender computes none
//
// A frame is written with one call, so that on a message-type pipe it is one message. ReadAsync takes
// as many reads as it needs, so it works in either read mode; Decode takes a whole message.
using System;
using System.IO;
using System.Threading.Tasks;

public sealed class NpipesFrames
{
    const int Overhead = 12;
    static readonly uint[] crcTable = MakeCrcTable();
    readonly Stream stream;
    readonly int maxLength;

    // maxLength bounds the payload, so what a peer can make this process allocate at once.
    public NpipesFrames(Stream stream, int maxLength = 16 << 20)
    {
        this.stream = stream;
        this.maxLength = maxLength;
    }

    // Returns the next payload, or null when the peer has closed the pipe between two frames.
    // After an exception the stream's position is unknown: close it.
    public async Task<byte[]> ReadAsync()
    {
        var header = new byte[8];
        int got = await FillAsync(header, 0);
        if (got == 0) return null;
        if (got < header.Length) throw new EndOfStreamException("the pipe ended inside a header");
        uint length = PayloadLength(header);
        if (length > maxLength) throw new InvalidDataException($"{length} bytes of payload, more than {maxLength}");

        var frame = new byte[length + Overhead];
        header.CopyTo(frame, 0);
        if (await FillAsync(frame, header.Length) < frame.Length)
            throw new EndOfStreamException("the pipe ended inside a frame");
        return Decode(frame);
    }

    // Two writes must not overlap: await one before the next.
    public Task WriteAsync(byte[] payload, bool crc = true)
    {
        if (payload.Length > maxLength) throw new ArgumentException($"more than {maxLength} bytes", nameof(payload));
        byte[] frame = Encode(payload, crc);
        return stream.WriteAsync(frame, 0, frame.Length);
    }

    public static byte[] Encode(byte[] payload, bool crc = true)
    {
        var frame = new byte[payload.Length + Overhead];
        PutUInt32(frame, 0, (uint)frame.Length);
        PutUInt32(frame, 4, (uint)payload.Length);
        payload.CopyTo(frame, 8);
        PutUInt32(frame, frame.Length - 4, crc ? Crc32(payload) : 0);
        return frame;
    }

    // Returns the payload of exactly one frame.
    public static byte[] Decode(byte[] frame)
    {
        if (frame.Length < Overhead || frame.Length != (long)PayloadLength(frame) + Overhead)
            throw new InvalidDataException($"{frame.Length} bytes are not one frame");
        var payload = new byte[frame.Length - Overhead];
        Array.Copy(frame, 8, payload, 0, payload.Length);
        uint sent = GetUInt32(frame, frame.Length - 4), computed = Crc32(payload);
        if (sent != 0 && sent != computed)
            throw new InvalidDataException($"CRC-32 is {computed:x8}, the frame says {sent:x8}");
        return payload;
    }

    static uint PayloadLength(byte[] header)
    {
        uint messageLength = GetUInt32(header, 0), length = GetUInt32(header, 4);
        if (messageLength != (long)length + Overhead)
            throw new InvalidDataException($"message length {messageLength} does not fit data length {length}");
        return length;
    }

    // Reads until the buffer is full or the stream ends; returns how far it got.
    async Task<int> FillAsync(byte[] buffer, int got)
    {
        while (got < buffer.Length)
        {
            int read = await stream.ReadAsync(buffer, got, buffer.Length - got);
            if (read == 0) break;
            got += read;
        }
        return got;
    }

    static uint GetUInt32(byte[] bytes, int at) =>
        bytes[at] | (uint)bytes[at + 1] << 8 | (uint)bytes[at + 2] << 16 | (uint)bytes[at + 3] << 24;

    static void PutUInt32(byte[] bytes, int at, uint value)
    {
        for (int i = 0; i < 4; i++) bytes[at + i] = (byte)(value >> 8 * i);
    }

    static uint Crc32(byte[] bytes)
    {
        uint crc = ~0u;
        foreach (byte b in bytes) crc = crcTable[(byte)(crc ^ b)] ^ crc >> 8;
        return ~crc;
    }

    static uint[] MakeCrcTable()
    {
        var table = new uint[256];
        for (uint i = 0; i < 256; i++)
        {
            uint crc = i;
            for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
            table[i] = crc;
        }
        return table;
    }
}
