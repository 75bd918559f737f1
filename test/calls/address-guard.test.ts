// Where endpoints may be: spellings of addresses that must not be reached, and the moment of connecting.

import dns from 'node:dns';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Agent, request } from 'undici';
import { AddressGuard } from '../../server/src/calls/address-guard.ts';

const guard = new AddressGuard();
const forbidden = expect.objectContaining({ code: 'BATON_ENDPOINT_FORBIDDEN' });

test.each([
  'http://127.0.0.1/',
  'http://127.1/',
  'http://127.0.1/',
  'http://2130706433/',
  'http://0x7f000001/',
  'http://0x7f.0x0.0x0.0x1/',
  'http://0177.0.0.1/',
  'http://017700000001/',
  'http://127.0.0.1./',
  'http://１２７.０.０.１/',
  'http://127。0。0。1/',
  'http://127.255.255.254:8080/',
  'http://0.0.0.0/',
  'http://0/',
  'http://localhost/',
  'http://LOCALHOST:6379/',
  'http://localhost./',
  'http://a.localhost/',
  'http://printer.local/',
  'http://metadata.google.internal/',
  'http://[::1]/',
  'http://[0:0:0:0:0:0:0:1]/',
  'http://[::]/',
  'http://[::ffff:127.0.0.1]/',
  'http://[::ffff:7f00:1]/',
  'http://[0:0:0:0:0:ffff:10.0.0.1]/',
  'http://[::ffff:a9fe:a9fe]/',
  'http://[::127.0.0.1]/',
  'http://[64:ff9b::7f00:1]/',
  'http://[64:ff9b:1::1]/',
  'http://[2002:7f00:1::]/',
  'http://[2001::1]/',
  'http://[2001:db8::1]/',
  'http://[fe80::1]/',
  'http://[fec0::1]/',
  'http://[fc00::1]/',
  'http://[fd00:ec2::254]/',
  'http://[ff02::1]/',
  'http://[100::1]/',
  'http://10.0.0.1/',
  'http://10.255.255.255/',
  'http://172.16.0.1/',
  'http://172.31.255.255/',
  'http://192.168.1.1/',
  'http://169.254.169.254/latest/meta-data/',
  'http://0xa9fea9fe/',
  'http://2852039166/',
  'http://100.64.0.1/',
  'http://192.0.0.1/',
  'http://192.0.2.1/',
  'http://198.18.0.1/',
  'http://198.51.100.1/',
  'http://203.0.113.1/',
  'http://224.0.0.1/',
  'http://240.0.0.1/',
  'http://255.255.255.255/',
  'http://user@93.184.216.34/',
  'http://:secret@93.184.216.34/',
  'ftp://93.184.216.34/',
  'file:///etc/passwd',
])('refused: %s', (url) => expect(() => guard.checkUrl(url)).toThrow(forbidden));

test.each([
  'https://studio.example/duel',
  'http://93.184.216.34/',
  'https://172.15.255.255/',
  'https://172.32.0.1/',
  'https://100.63.255.255/',
  'https://100.128.0.1/',
  'https://[2606:2800:220:1:248:1893:25c8:1946]/',
  'https://[::ffff:93.184.216.34]/',
  'https://localhost.example/',
])('allowed: %s', (url) => expect(() => guard.checkUrl(url)).not.toThrow());

test('the operator may open a range, and that one only', () => {
  const open = new AddressGuard(['127.0.0.0/8', 'fd00::/8']);
  for (const address of ['127.0.0.1', '::ffff:127.9.9.9', 'fd12::1'])
    expect(open.permits(address)).toBe(true);
  for (const address of ['10.0.0.1', '::1', 'fc00::1', 'no address', ''])
    expect(open.permits(address)).toBe(false);
  expect(() => open.checkUrl('http://localhost:3000/')).not.toThrow();
});

describe('when a connection is made', () => {
  const { lookup } = dns;
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    dns.lookup = lookup;
    for (const end of ends.splice(0)) await end();
  });

  /** The name resolves to these addresses, one answer a time. */
  function resolve(...answers: string[][]): void {
    dns.lookup = ((_name: string, _options: object, done: (...args: unknown[]) => void) => {
      const addresses = answers.length > 1 ? answers.shift()! : answers[0]!;
      done(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );
    }) as unknown as typeof dns.lookup;
  }

  async function server() {
    let asked = 0;
    const http = createServer((_request, response) => {
      asked++;
      response.end('reached');
    }).listen(0, '127.0.0.1');
    await once(http, 'listening');
    ends.push(() => http.close());
    return { port: (http.address() as AddressInfo).port, asked: () => asked };
  }

  const call = async (from: AddressGuard, url: string) => {
    const agent = new Agent({ connect: from.connector() });
    ends.push(() => agent.destroy());
    return (await request(url, { dispatcher: agent })).body.text();
  };

  test('a literal address is refused without a look-up', async () => {
    const { port, asked } = await server();
    await expect(call(guard, `http://127.0.0.1:${port}/`)).rejects.toThrow(forbidden);
    await expect(call(guard, `http://[::ffff:127.0.0.1]:${port}/`)).rejects.toThrow(forbidden);
    expect(asked()).toBe(0);
  });

  test('a name that resolves to a private address is refused, also among public ones', async () => {
    const { port, asked } = await server();
    for (const addresses of [['127.0.0.1'], ['93.184.216.34', '127.0.0.1'], ['::1'], ['::ffff:127.0.0.1']]) {
      resolve(addresses);
      await expect(call(guard, `http://rebind.example:${port}/`)).rejects.toThrow(forbidden);
    }
    expect(asked()).toBe(0);
  });

  test('the address that was checked is the one that is connected to', async () => {
    const { port } = await server();
    const open = new AddressGuard(['127.0.0.0/8']);
    // A second look-up would give an address where nobody listens.
    resolve(['127.0.0.1'], ['127.99.99.99']);
    expect(await call(open, `http://studio.example:${port}/`)).toBe('reached');
  });
});
