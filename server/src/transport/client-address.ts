// Where a client is. Its request says that in headers when proxies stand in front, and anybody can write such headers:
// only those of trusted proxies are believed. Afterwards the headers are true, for Colyseus, Baton and the app alike.
import type { IncomingMessage } from 'node:http';
import net from 'node:net';
import { type AddressRanges, unmapped } from '../address-ranges.ts';

const REAL_IP = 'x-real-ip';
const FORWARDED_FOR = 'x-forwarded-for';
/** In the order in which Colyseus believes them. */
const NAMES: ReadonlySet<string> = new Set([REAL_IP, FORWARDED_FOR, 'x-client-ip']);

/**
 * @param raw  names and values in turn
 * @param peer whose request it is: a proxy or the client
 * @returns the same without what is not believed: of where the client is either nothing, or what a trusted proxy says
 */
export function believed(raw: string[], peer: string | undefined, trusted: AddressRanges): string[] {
  const others: string[] = [];
  const said = new Map<string, string>();
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    const lower = name[0] === 'x' || name[0] === 'X' ? name.toLowerCase() : '';
    if (!NAMES.has(lower)) others.push(name, raw[i + 1]!);
    else said.set(lower, said.has(lower) ? `${said.get(lower)}, ${raw[i + 1]}` : raw[i + 1]!);
  }
  if (said.size === 0) return raw;
  const address = peer !== undefined && trusted.has(peer) ? clientAddress(said, trusted) : undefined;
  if (address !== undefined) others.push(REAL_IP, address, FORWARDED_FOR, address);
  return others;
}

/** The same for a request of Node's HTTP server. */
export function settleAddress(request: IncomingMessage, trusted: AddressRanges): void {
  const { headers, rawHeaders, socket } = request;
  const settled = believed(rawHeaders, socket.remoteAddress, trusted);
  if (settled === rawHeaders) return;
  request.rawHeaders = settled;
  for (const name of NAMES) delete headers[name];
  if (settled.at(-2) === FORWARDED_FOR) headers[REAL_IP] = headers[FORWARDED_FOR] = settled.at(-1)!;
}

/**
 * The last address of `X-Forwarded-For` that is no trusted proxy's: a proxy that adds to the one may let the client's own
 * `X-Real-IP` pass. Else what that says; else where the list begins.
 */
function clientAddress(said: ReadonlyMap<string, string>, trusted: AddressRanges): string | undefined {
  const real = (said.get(REAL_IP) ?? '').trim();
  const known = net.isIP(real) ? unmapped(real) : undefined;
  const hops = (said.get(FORWARDED_FOR) ?? '').split(',');
  for (let i = hops.length - 1; i >= 0; i--) {
    const hop = hops[i]!.trim();
    if (!net.isIP(hop)) break;
    if (!trusted.has(hop)) return unmapped(hop);
    if (i === 0) return known ?? unmapped(hop);
  }
  return known;
}
