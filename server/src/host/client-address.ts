// Where a client is. Its request says that in headers when proxies stand in front, and anybody can write such headers:
// only those of trusted proxies are believed. Afterwards the headers are true, for Colyseus, Baton and the app alike.
import type { IncomingMessage } from 'node:http';
import net from 'node:net';
import { type AddressRanges, unmapped } from '../address-ranges.ts';

const REAL_IP = 'x-real-ip';
const FORWARDED_FOR = 'x-forwarded-for';
/** In the order in which Colyseus believes them. */
const HEADERS = [REAL_IP, FORWARDED_FOR, 'x-client-ip'];

/** Leaves one header that says where the client is when a trusted proxy says so, and none otherwise. */
export function settleAddress(request: IncomingMessage, trusted: AddressRanges): void {
  const { headers, socket } = request;
  if (HEADERS.every((name) => headers[name] === undefined)) return;
  const peer = socket.remoteAddress ?? '';
  const address = trusted.has(peer) ? clientAddress(headers, trusted) : undefined;
  for (const name of HEADERS) delete headers[name];
  const raw: string[] = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const [name = '', value = ''] = request.rawHeaders.slice(i, i + 2);
    if (!HEADERS.includes(name.toLowerCase())) raw.push(name, value);
  }
  if (address !== undefined) {
    headers[REAL_IP] = address;
    headers[FORWARDED_FOR] = address;
    raw.push(REAL_IP, address, FORWARDED_FOR, address);
  }
  request.rawHeaders = raw;
}

/** `X-Real-IP`; else the last address of `X-Forwarded-For` that is no trusted proxy's. */
function clientAddress(headers: IncomingMessage['headers'], trusted: AddressRanges): string | undefined {
  const real = String(headers[REAL_IP] ?? '').trim();
  if (net.isIP(real)) return unmapped(real);
  const hops = String(headers[FORWARDED_FOR] ?? '').split(',');
  for (let i = hops.length - 1; i >= 0; i--) {
    const hop = hops[i]!.trim();
    if (!net.isIP(hop)) return undefined;
    if (!trusted.has(hop) || i === 0) return unmapped(hop);
  }
  return undefined;
}
