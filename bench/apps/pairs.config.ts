// What a host runs as the subject `baton`: the rooms of the other servers, and their meter on a Unix socket.
import { createServer } from 'node:net';
import { defineRoom, defineServer } from '@colyseus/core';
import { meter } from '../serve-calls.mjs';
import { CrowdRoom, PairRoom } from '../servers/rooms.ts';

createServer((socket) => {
  socket.on('error', () => {});
  socket.once('data', (method) => socket.end(JSON.stringify(meter[String(method) as keyof typeof meter]())));
}).listen(process.env['BATON_BENCH_METER']);

export default defineServer({
  greet: false,
  rooms: { pair: defineRoom(PairRoom), crowd: defineRoom(CrowdRoom) },
});
