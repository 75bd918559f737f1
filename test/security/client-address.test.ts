// Where a client is: only trusted proxies say so, whatever headers others write.

import type { IncomingMessage } from 'node:http';
import { expect, test } from '@jest/globals';
import { AddressRanges } from '../../server/src/address-ranges.ts';
import { settleAddress } from '../../server/src/transport/client-address.ts';

const PROXIES = new AddressRanges(['127.0.0.0/8', '10.0.0.0/8', '2001:db8::/32']);
const NAMES = ['x-real-ip', 'x-forwarded-for', 'x-client-ip'];

/** @returns what those who look at the headers find afterwards: parsed, and as they came */
function settled(peer: string | undefined, headers: Record<string, string>, trusted = PROXIES) {
  const request = {
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    rawHeaders: Object.entries({ Host: 'game.example', ...headers }).flat(),
    socket: { remoteAddress: peer },
  } as unknown as IncomingMessage;
  settleAddress(request, trusted);
  const raw: Record<string, string> = {};
  for (let i = 0; i < request.rawHeaders.length; i += 2)
    raw[request.rawHeaders[i]!.toLowerCase()] = request.rawHeaders[i + 1]!;
  expect(raw['host']).toBe('game.example');
  for (const name of NAMES) expect(raw[name]).toBe(request.headers[name]);
  expect(request.headers['x-client-ip']).toBeUndefined();
  expect(request.headers['x-forwarded-for']).toBe(request.headers['x-real-ip']);
  return request.headers['x-real-ip'];
}

test.each(['X-Real-IP', 'X-Forwarded-For', 'X-Client-IP', 'x-real-ip', 'X-FORWARDED-FOR'])(
  'a client that writes %s is where it is',
  (name) => {
    for (const peer of ['203.0.113.9', '::ffff:203.0.113.9', '2001:db9::1', undefined])
      expect(settled(peer, { [name]: '192.0.2.1' })).toBeUndefined();
    expect(settled('127.0.0.1', { [name]: '192.0.2.1' }, new AddressRanges([]))).toBeUndefined();
  },
);

test('a trusted proxy is believed, over IPv4, IPv6 and the one inside the other', () => {
  for (const peer of ['127.0.0.1', '::ffff:10.1.2.3', '2001:db8::1']) {
    expect(settled(peer, { 'X-Real-IP': '192.0.2.1' })).toBe('192.0.2.1');
    expect(settled(peer, { 'X-Forwarded-For': '192.0.2.2' })).toBe('192.0.2.2');
  }
  expect(settled('127.0.0.1', { 'X-Real-IP': '::ffff:192.0.2.1' })).toBe('192.0.2.1');
});

test('of both, what a trusted proxy has added to the list: the other one may be the client’s own', () => {
  const both = (real: string, list: string, trusted = PROXIES) =>
    settled('127.0.0.1', { 'X-Real-IP': real, 'X-Forwarded-For': list }, trusted);
  expect(both('192.0.2.1', '192.0.2.2')).toBe('192.0.2.2');
  expect(both('192.0.2.1', '198.51.100.1, 192.0.2.2, 10.0.0.1')).toBe('192.0.2.2');
  expect(both('192.0.2.1', '192.0.2.1')).toBe('192.0.2.1'); // deploy/nginx.conf and deploy/haproxy.cfg
  expect(both('10.0.0.2', '10.0.0.2')).toBe('10.0.0.2');
  // nobody but proxies in the list, or nothing that can be read
  expect(both('192.0.2.1', '10.0.0.2, 10.0.0.1')).toBe('192.0.2.1');
  expect(both('192.0.2.1', '192.0.2.2, nonsense')).toBe('192.0.2.1');
  expect(both('192.0.2.1', '192.0.2.2', new AddressRanges(['0.0.0.0/0']))).toBe('192.0.2.1');
});

test('of a list the last address counts that is no trusted proxy: those before it anybody may have written', () => {
  const of = (list: string) => settled('127.0.0.1', { 'X-Forwarded-For': list });
  expect(of('198.51.100.1, 192.0.2.1')).toBe('192.0.2.1');
  expect(of('198.51.100.1, 192.0.2.1, 10.0.0.1')).toBe('192.0.2.1');
  expect(of('10.0.0.2, 10.0.0.1')).toBe('10.0.0.2');
  expect(of('192.0.2.1, nonsense')).toBeUndefined();
  expect(of('')).toBeUndefined();
});

test('a trusted proxy that says nothing usable is not believed to be the client in another header', () => {
  expect(settled('127.0.0.1', { 'X-Client-IP': '192.0.2.1' })).toBeUndefined();
  expect(settled('127.0.0.1', { 'X-Real-IP': 'evil\r\n' })).toBeUndefined();
});

test('a request without such headers is left alone', () => {
  const rawHeaders = ['Host', 'a'];
  const request = { headers: { host: 'a' }, rawHeaders, socket: {} } as unknown as IncomingMessage;
  settleAddress(request, PROXIES);
  expect(request.rawHeaders).toBe(rawHeaders);
});
