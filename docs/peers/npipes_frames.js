// npipes frames for Node.js (20.15 or newer, for zlib.crc32): reads and writes them over any
// stream, such as a net.Socket on a named pipe.
//
//     message length  4 bytes  n + 12, the whole packet    all numbers are little-endian
//     data length     4 bytes  n
//     payload         n bytes
//     CRC-32          4 bytes  zlib's, of the payload; 0 when the sender computes none
'use strict';

const { crc32 } = require('node:zlib');

const OVERHEAD = 12;
// Bounds the payload, so what a peer can make this process collect.
const MAX_LENGTH = 16 << 20;

// Resolves when the frame is written. On a message-type pipe await each before the next: Node.js
// joins the writes that are waiting, so that several frames become one message. A reader of bytes,
// such as npipes, does not mind; one that takes a frame for each message does.
function send(stream, payload, options) {
  return new Promise((resolve, reject) => {
    stream.write(encode(payload, options), (error) => (error ? reject(error) : resolve()));
  });
}

// Returns the frame of a payload.
function encode(payload, { crc = true } = {}) {
  if (payload.length > MAX_LENGTH) throw new RangeError(`${payload.length} bytes of payload, more than ${MAX_LENGTH}`);
  const frame = Buffer.alloc(payload.length + OVERHEAD);
  frame.writeUInt32LE(frame.length, 0);
  frame.writeUInt32LE(payload.length, 4);
  frame.set(payload, 8);
  frame.writeUInt32LE(crc ? crc32(payload) : 0, frame.length - 4);
  return frame;
}

// Yields the payloads that arrive on a stream until it ends: for await (const payload of decode(socket)).
async function* decode(stream) {
  let chunks = []; // what has arrived and is not yet part of a whole frame
  let have = 0;
  let need = 8;
  for await (const chunk of stream) {
    chunks.push(chunk);
    have += chunk.length;
    if (have < need) continue;
    let bytes = Buffer.concat(chunks);
    while (bytes.length >= (need = frameLength(bytes))) {
      yield payloadOf(bytes.subarray(0, need));
      bytes = bytes.subarray(need);
    }
    chunks = [bytes];
    have = bytes.length;
  }
  if (have > 0) throw new Error(`the pipe ended inside a frame: ${have} bytes of ${need}`);
}

// How many bytes the first frame has, or a header if that is not there yet.
function frameLength(bytes) {
  if (bytes.length < 8) return 8;
  const messageLength = bytes.readUInt32LE(0);
  const length = bytes.readUInt32LE(4);
  if (messageLength !== length + OVERHEAD) throw new Error(`message length ${messageLength} does not fit data length ${length}`);
  if (length > MAX_LENGTH) throw new RangeError(`${length} bytes of payload, more than ${MAX_LENGTH}`);
  return messageLength;
}

function payloadOf(frame) {
  const payload = frame.subarray(8, -4);
  const sent = frame.readUInt32LE(frame.length - 4);
  if (sent !== 0 && sent !== crc32(payload)) throw new Error('the CRC-32 does not match');
  return payload;
}

module.exports = { decode, encode, send, MAX_LENGTH };
