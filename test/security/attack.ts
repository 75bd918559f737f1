// Bytes as an attacker sends them: raw sockets, requests no client library would make.
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../support/service.ts';

export const app = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', 'app.config.ts');

export interface Seat {
  roomId: string;
  processId: string;
  sessionId: string;
}

/** The lines of an upgrade request, with `extra` lines before its end. */
export function upgradeRequest(target: string, extra: string[] = []): string {
  return [
    `GET ${target} HTTP/1.1`,
    'Host: localhost',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    'Sec-WebSocket-Version: 13',
    ...extra,
    '',
    '',
  ].join('\r\n');
}

export function connect(port: number): net.Socket {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => {});
  return socket;
}

/** Sends `bytes` and resolves with what came until `found` is in it, the connection ends or `ms` are over. */
export function exchange(port: number, bytes: string | Buffer, found?: string, ms = 5_000): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port);
    let got = '';
    const end = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(got);
    };
    const timer = setTimeout(end, ms);
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1');
      if (found !== undefined && got.includes(found)) end();
    });
    socket.on('close', end);
    socket.write(bytes);
  });
}

export async function reserve(url: string, route: string, options: object = {}): Promise<Seat> {
  const response = await fetch(`${url}/matchmake/${route}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(options),
  });
  const seat = (await response.json()) as Seat & { error?: string };
  if (!seat.sessionId) throw new Error(JSON.stringify(seat));
  return seat;
}

/** A masked client frame. */
export function frame(
  opcode: number,
  payload: Uint8Array,
  { fin = true, rsv = 0, mask = true } = {},
): Buffer {
  const { length } = payload;
  const head = [(fin ? 0x80 : 0) | rsv | opcode];
  const bit = mask ? 0x80 : 0;
  if (length < 126) head.push(bit | length);
  else if (length < 65_536) head.push(bit | 126, length >> 8, length & 255);
  else
    head.push(bit | 127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255);
  if (!mask) return Buffer.concat([Buffer.from(head), payload]);
  const key = randomBytes(4);
  const masked = Buffer.from(payload);
  for (let i = 0; i < length; i++) masked[i]! ^= key[i & 3]!;
  return Buffer.concat([Buffer.from(head), key, masked]);
}

export interface Taken {
  seat: Seat;
  socket: net.Socket;
  /** The last 64 KiB that came. */
  tail: Buffer;
  closed: boolean;
}

const JOIN_ROOM = Buffer.from([10]);
const PONG = 10;

/** Takes a seat by hand. It lives on without being asked: heartbeats are answered before they come. */
export async function take(
  service: { url: string; port: number },
  route: string,
  joins = true,
): Promise<Taken> {
  const seat = await reserve(service.url, route);
  const socket = connect(service.port);
  const taken: Taken = { seat, socket, tail: Buffer.alloc(0), closed: false };
  const beat = setInterval(() => socket.write(frame(PONG, Buffer.alloc(0))), 1_000);
  socket.on('data', (chunk) => {
    taken.tail = Buffer.concat([taken.tail, chunk]).subarray(-65_536);
  });
  socket.on('close', () => {
    clearInterval(beat);
    taken.closed = true;
  });
  socket.write(upgradeRequest(`/p/${seat.roomId}?sessionId=${seat.sessionId}`));
  await until(() => /\r\n\r\n./s.test(taken.tail.toString('latin1')), 'the room greets');
  if (joins) socket.write(frame(2, JOIN_ROOM));
  return taken;
}
