// The server's part of the opening handshake (RFC 6455 §4.2), as functions over an upgrade request.

import { hash } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { UpgradeRecord } from './record.ts';

export type HeaderRecord = Record<string, string>;

/** An HTTP answer that refuses the upgrade. */
export interface Refusal {
  status: number;
  reason: string;
  headers?: HeaderRecord;
}

export interface Handshake {
  key: string;
  /** Sub-protocols the client offers, in its order of preference. */
  protocols: Set<string>;
}

/** Appended to the key before hashing (§1.3). */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** 16 bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;
/** token of RFC 9110 §5.6.2 */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Header fields of which Node, too, keeps the first one only. */
const SINGLE = new Set([
  'host',
  'authorization',
  'user-agent',
  'referer',
  'from',
  'content-type',
  'content-length',
]);

const FRAMING = new Set(['content-length', 'transfer-encoding', 'connection']);

/** Names in lower case; repeated fields joined as RFC 9110 §5.3 says. */
export function headersOf(rawHeaders: readonly string[]): HeaderRecord {
  // Without a prototype: `constructor` and `__proto__` are names a client may send.
  const headers: HeaderRecord = Object.create(null);
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    const value = rawHeaders[i + 1]!;
    const known = headers[name];
    if (known === undefined) headers[name] = value;
    else if (!SINGLE.has(name)) headers[name] = `${known}${name === 'cookie' ? '; ' : ', '}${value}`;
  }
  return headers;
}

/** §4.2.1: what a client must send. */
export function checkHandshake(request: UpgradeRecord, headers: HeaderRecord): Handshake | Refusal {
  if (request.method !== 'GET') {
    return { status: 405, reason: 'A WebSocket opens with GET.', headers: { Allow: 'GET' } };
  }
  if (request.httpVersion !== '1.1') return { status: 400, reason: 'A WebSocket opens with HTTP/1.1.' };
  if (headers.upgrade?.toLowerCase() !== 'websocket')
    return { status: 400, reason: 'Upgrade must be websocket.' };
  if (!/(^|,)\s*upgrade\s*(,|$)/i.test(headers.connection ?? '')) {
    return { status: 400, reason: 'Connection must contain Upgrade.' };
  }
  // Behind a proxy that counts it as a body, it would be taken for frames here.
  if (Number(headers['content-length'] ?? 0) !== 0 || headers['transfer-encoding'] !== undefined) {
    return { status: 400, reason: 'An upgrade request has no body.' };
  }
  const key = headers['sec-websocket-key'];
  if (key === undefined || !KEY.test(key)) {
    return { status: 400, reason: 'Sec-WebSocket-Key must be 16 bytes in base64.' };
  }
  if (headers['sec-websocket-version'] !== '13') {
    return {
      status: 426,
      reason: 'Sec-WebSocket-Version must be 13.',
      headers: { Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' },
    };
  }
  const protocols = parseProtocols(headers['sec-websocket-protocol']);
  return protocols
    ? { key, protocols }
    : { status: 400, reason: 'Sec-WebSocket-Protocol must be a list of tokens.' };
}

function parseProtocols(value: string | undefined): Set<string> | undefined {
  const protocols = new Set<string>();
  if (value === undefined) return protocols;
  for (const item of value.split(',')) {
    const token = item.trim();
    if (!TOKEN.test(token) || protocols.has(token)) return undefined;
    protocols.add(token);
  }
  return protocols;
}

/** The response that completes the handshake (§4.2.2). No extension is ever agreed on. */
export function switchingProtocols(key: string, protocol: string): Buffer {
  const accept = hash('sha1', key + GUID, 'base64');
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept}`,
  ];
  if (protocol) lines.push(`Sec-WebSocket-Protocol: ${protocol}`);
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** A whole HTTP response after which the connection closes. */
export function httpResponse(
  status: number,
  text: string,
  headers: Iterable<[name: string, value: string]>,
  body: Uint8Array,
): Buffer {
  const lines = [`HTTP/1.1 ${status} ${text || STATUS_CODES[status] || ''}`];
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  lines.push(`Content-Length: ${body.byteLength}`, 'Connection: close', '', '');
  return Buffer.concat([Buffer.from(lines.join('\r\n'), 'latin1'), body]);
}

export function refusalResponse({ status, reason, headers }: Refusal): Buffer {
  const fields = Object.entries({ 'Content-Type': 'text/plain', ...headers });
  return httpResponse(status, '', fields, Buffer.from(reason));
}

/** What `beforeUpgrade` answered instead of letting the upgrade pass. */
export async function fetchResponse(response: Response): Promise<Buffer> {
  const body = new Uint8Array(await response.arrayBuffer());
  // Each Set-Cookie is a field of its own; those left out are written from what is really sent.
  const headers = [...response.headers].filter(([name]) => !FRAMING.has(name));
  return httpResponse(response.status, response.statusText, headers, body);
}
