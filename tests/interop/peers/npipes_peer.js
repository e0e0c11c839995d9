// A peer for the interop tests: echoes frames, or sends them and compares what comes back.
//
//     node npipes_peer.js server byte <pipe name> [connections]
//     node npipes_peer.js client byte|message <pipe name>
//     node npipes_peer.js vectors <docs/wire-vectors.tsv>
//
// The server prints "listening" when a client can connect, serves that many connections (default
// 1), prints "served N connections, M messages" and ends. The client waits for the pipe, sends
// every size in turn, then all of them without waiting for the echoes, and prints "ok N messages".
// "vectors" takes the streams of the documented dialect apart, whole and byte by byte, and prints
// "ok N vectors".
// Exit codes: 0, 1 after a failure, 64 for a wrong command line, 69 for "server message": the
// pipes that Node.js makes are byte-type. Its client reads bytes from either type. On Unix a pipe
// is a socket, the name may also be its path, and every "message" is 69.
'use strict';

const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { decode, send } = require('../../../docs/peers/npipes_frames.js');

// None, few, and around 4 KiB and 64 KiB, which a payload or a whole frame (12 more) can meet.
const SIZES = [0, 1, 63, 64, 4083, 4084, 4085, 4096, 4097, 65523, 65524, 65525, 65536, 65537, 65548, 1 << 20];

const WINDOWS = process.platform === 'win32';

// Under Wine process.stdout and process.stderr throw EBADF when they are Unix pipes, and a socket
// that is destroyed looks at the latter.
const say = (line) => fs.writeSync(1, `${line}\n`);
Object.defineProperty(process, 'stderr', { value: null });

async function serve(pipe, connections) {
  let messages = 0;
  const sessions = [];
  await new Promise((resolve, reject) => {
    const server = net.createServer((socket) => {
      const session = echo(socket).then((echoed) => { messages += echoed; });
      session.catch(reject);
      sessions.push(session);
      if (sessions.length === connections) server.close();
    });
    server.on('error', reject).on('close', resolve);
    server.listen(pipe, () => say('listening'));
  });
  await Promise.all(sessions);
  say(`served ${connections} connections, ${messages} messages`);
}

async function takeApart(file) {
  const lines = fs.readFileSync(file, 'utf8').split('\n').filter((line) => line && !line.startsWith('#'));
  let count = 0;
  for (const [name, dialect, stream, outcome] of lines.map((line) => line.split('\t'))) {
    if (dialect !== 'documented') continue;
    const bytes = Buffer.from(stream, 'hex');
    for (const pieces of [[bytes], [...bytes].map((byte) => Buffer.from([byte]))]) {
      const events = [];
      try {
        for await (const payload of decode(pieces)) events.push(`payload:${payload.toString('hex')}`);
        events.push('end');
      } catch {
        events.push('error');
      }
      const expected = outcome.split(' ');
      const wrong = expected.findIndex((event) => ['corrupt', 'refused', 'truncated'].includes(event));
      if (wrong >= 0) expected.splice(wrong, expected.length, 'error');
      if (events.join(' ') !== expected.join(' ')) throw new Error(`${name}: ${events.join(' ')}, not ${expected.join(' ')}`);
    }
    count += 1;
  }
  say(`ok ${count} vectors`);
}

async function echo(socket) {
  let echoed = 0;
  for await (const payload of decode(socket)) {
    await send(socket, payload);
    echoed += 1;
  }
  return echoed;
}

async function call(pipe) {
  const socket = await connect(pipe, Date.now() + 20000);
  const echoes = decode(socket);
  for (const size of SIZES) {
    await send(socket, message(size));
    compare(message(size), await echoes.next());
  }
  const sending = sendAll(socket);
  for (const size of SIZES) compare(message(size), await echoes.next());
  await sending;
  socket.end();
  if (!(await echoes.next()).done) throw new Error('an echo too many');
  say(`ok ${2 * SIZES.length} messages`);
}

async function sendAll(socket) {
  for (const size of SIZES) await send(socket, message(size));
}

// On Unix, where .NET and npipes have the pipe of that name.
function pipeOf(name) {
  if (WINDOWS) return `\\\\.\\pipe\\${name}`;
  return name.startsWith('/') ? name : path.join(process.env.TMPDIR || '/tmp', `CoreFxPipe_${name}`);
}

// Waits for the pipe to appear. When all its instances are busy, Node.js itself waits for one.
async function connect(pipe, deadline) {
  for (;;) {
    const socket = net.connect(pipe);
    try {
      await once(socket, 'connect');
      return socket;
    } catch (error) {
      if (error.code !== 'ENOENT' || Date.now() > deadline) throw error;
      await sleep(20);
    }
  }
}

// Byte i of the message of n bytes is the top byte of (i + n) * 2654435761 modulo 2^32.
function message(n) {
  return Buffer.from(Uint8Array.from({ length: n }, (_, i) => Math.imul(i + n, 2654435761) >>> 24));
}

function compare(sent, { done, value: received }) {
  if (done) throw new Error(`no echo of ${sent.length} bytes`);
  if (!sent.equals(received)) throw new Error(`${sent.length} bytes came back different, as ${received.length}`);
}

async function main([role, mode, name, connections = '1']) {
  if (role === 'vectors' && mode) {
    await takeApart(mode);
    return 0;
  }
  if (!name || !['byte', 'message'].includes(mode) || !['server', 'client'].includes(role)) {
    fs.writeSync(2, 'usage: npipes_peer.js server|client byte|message <pipe name> [connections], or vectors <file>\n');
    return 64;
  }
  if (mode === 'message' && (role === 'server' || !WINDOWS)) {
    fs.writeSync(2, WINDOWS ? 'Node.js makes byte-type pipes only\n' : 'only Windows has message-type pipes\n');
    return 69;
  }
  await (role === 'server' ? serve(pipeOf(name), Number(connections)) : call(pipeOf(name)));
  return 0;
}

process.exitCode = 1; // for a main that never settles: Node.js ends when nothing is left to wait for
main(process.argv.slice(2)).then(
  (code) => { process.exitCode = code; },
  (error) => {
    fs.writeSync(2, `${error.stack}\n`);
    process.exit(1);
  },
);
