// A peer for the interop tests: echoes frames, or sends them and compares what comes back.
//
//     NpipesPeer server byte|message <pipe name> [connections]
//     NpipesPeer client byte|message <pipe name>
//     NpipesPeer vectors <docs/wire-vectors.tsv>
//
// The server prints "listening" when a client can connect, serves that many connections (default
// 1), prints "served N connections, M messages" and ends. The client waits for the pipe, sends
// every size in turn, then all of them without waiting for the echoes, and prints "ok N messages".
// "message" makes message-type pipes, and both roles then require that each message is one frame.
// "vectors" takes the streams of the documented dialect apart and prints "ok N vectors".
// Exit codes: 0, 1 after a failure, 64 for a wrong command line.
using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Pipes;
using System.Threading.Tasks;

static class NpipesPeer
{
    // None, few, and around 4 KiB and 64 KiB, which a payload or a whole frame (12 more) can meet.
    static readonly int[] sizes =
    {
        0, 1, 63, 64, 4083, 4084, 4085, 4096, 4097, 65523, 65524, 65525, 65536, 65537, 65548, 1 << 20,
    };

    static int Main(string[] args)
    {
        if (args.Length == 2 && args[0] == "vectors") return Run(TakeApartAsync(args[1]));
        if (args.Length < 3 || args.Length > 4 || args[1] != "byte" && args[1] != "message")
            return Usage();
        var mode = args[1] == "byte" ? PipeTransmissionMode.Byte : PipeTransmissionMode.Message;
        if (args[0] == "server") return Run(ServeAsync(args[2], mode, args.Length == 4 ? int.Parse(args[3]) : 1));
        if (args[0] == "client" && args.Length == 3) return Run(CallAsync(args[2], mode));
        return Usage();
    }

    static int Run(Task work)
    {
        try
        {
            work.GetAwaiter().GetResult();
            return 0;
        }
        catch (Exception e)
        {
            Console.Error.WriteLine($"{e.GetType().Name}: {e.Message}");
            return 1;
        }
    }

    static int Usage()
    {
        Console.Error.WriteLine("usage: NpipesPeer server|client byte|message <pipe name> [connections], or vectors <file>");
        return 64;
    }

    static async Task ServeAsync(string name, PipeTransmissionMode mode, int connections)
    {
        var sessions = new List<Task<int>>();
        for (int i = 0; i < connections; i++)
        {
            var pipe = new NamedPipeServerStream(
                name, PipeDirection.InOut, NamedPipeServerStream.MaxAllowedServerInstances, mode, PipeOptions.Asynchronous);
            if (i == 0) Console.WriteLine("listening");
            await pipe.WaitForConnectionAsync();
            sessions.Add(EchoAsync(pipe));
        }
        int messages = 0;
        foreach (int echoed in await Task.WhenAll(sessions)) messages += echoed;
        Console.WriteLine($"served {connections} connections, {messages} messages");
    }

    static async Task TakeApartAsync(string file)
    {
        int count = 0;
        foreach (string line in File.ReadAllLines(file))
        {
            string[] columns = line.Split('\t');
            if (line.StartsWith("#") || columns[1] != "documented") continue;
            var frames = new NpipesFrames(new MemoryStream(FromHex(columns[2])));
            var events = new List<string>();
            try
            {
                for (byte[] payload; (payload = await frames.ReadAsync()) != null;)
                    events.Add("payload:" + BitConverter.ToString(payload).Replace("-", "").ToLowerInvariant());
                events.Add("end");
            }
            catch (IOException)
            {
                events.Add("error");
            }
            catch (InvalidDataException)
            {
                events.Add("error");
            }
            string expected = UpToTheFirstError(columns[3]), came = string.Join(" ", events);
            if (came != expected) throw new InvalidDataException($"{columns[0]}: {came}, not {expected}");
            count++;
        }
        Console.WriteLine($"ok {count} vectors");
    }

    static string UpToTheFirstError(string outcome)
    {
        var events = new List<string>();
        foreach (string word in outcome.Split(' '))
        {
            bool isError = word == "corrupt" || word == "refused" || word == "truncated";
            events.Add(isError ? "error" : word);
            if (isError) break;
        }
        return string.Join(" ", events);
    }

    static byte[] FromHex(string digits)
    {
        var bytes = new byte[digits.Length / 2];
        for (int i = 0; i < bytes.Length; i++) bytes[i] = Convert.ToByte(digits.Substring(2 * i, 2), 16);
        return bytes;
    }

    static async Task<int> EchoAsync(NamedPipeServerStream pipe)
    {
        using (pipe)
        {
            var frames = new NpipesFrames(pipe);
            for (int echoed = 0; ; echoed++)
            {
                byte[] payload = await ReceiveAsync(pipe, frames);
                if (payload == null) return echoed;
                await frames.WriteAsync(payload);
            }
        }
    }

    static async Task CallAsync(string name, PipeTransmissionMode mode)
    {
        using (var pipe = new NamedPipeClientStream(".", name, PipeDirection.InOut, PipeOptions.Asynchronous))
        {
            await pipe.ConnectAsync(20000);
            // A client reads bytes unless it says otherwise; on a byte-type pipe this is refused.
            pipe.ReadMode = mode;
            var frames = new NpipesFrames(pipe);
            foreach (int size in sizes)
            {
                await frames.WriteAsync(Message(size));
                Compare(Message(size), await ReceiveAsync(pipe, frames));
            }
            Task sending = SendAllAsync(frames);
            foreach (int size in sizes) Compare(Message(size), await ReceiveAsync(pipe, frames));
            await sending;
        }
        Console.WriteLine($"ok {2 * sizes.Length} messages");
    }

    static async Task SendAllAsync(NpipesFrames frames)
    {
        foreach (int size in sizes) await frames.WriteAsync(Message(size));
    }

    static async Task<byte[]> ReceiveAsync(PipeStream pipe, NpipesFrames frames)
    {
        if (pipe.ReadMode == PipeTransmissionMode.Byte) return await frames.ReadAsync();
        var message = new MemoryStream();
        var buffer = new byte[4096];
        do
        {
            int read = await pipe.ReadAsync(buffer, 0, buffer.Length);
            if (read == 0 && message.Length == 0) return null;
            message.Write(buffer, 0, read);
        }
        while (!pipe.IsMessageComplete);
        return NpipesFrames.Decode(message.ToArray());
    }

    // Byte i of the message of n bytes is the top byte of (i + n) * 2654435761 modulo 2^32.
    static byte[] Message(int n)
    {
        var bytes = new byte[n];
        for (int i = 0; i < n; i++) bytes[i] = (byte)((uint)(i + n) * 2654435761u >> 24);
        return bytes;
    }

    static void Compare(byte[] sent, byte[] received)
    {
        if (received == null) throw new EndOfStreamException($"no echo of {sent.Length} bytes");
        if (received.Length != sent.Length)
            throw new InvalidDataException($"{received.Length} bytes came back for {sent.Length}");
        for (int i = 0; i < sent.Length; i++)
            if (received[i] != sent[i]) throw new InvalidDataException($"byte {i} of {sent.Length} came back different");
    }
}
