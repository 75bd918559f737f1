// Upgrade requests that are read without Node: what is taken is what Node would have read, and nothing else is taken.
import http from 'node:http';
import { Duplex } from 'node:stream';
import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readUpgradeHead } from '../../server/src/transport/upgrade-head.ts';

const MOST = 16 * 1024;
const read = (text: string, most = MOST) => {
  const bytes = Buffer.from(text, 'latin1');
  return readUpgradeHead(bytes, bytes.length, most);
};

const FIELDS = [
  'Host: game.example',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
];
const head = (fields = FIELDS, line = 'GET /v1/socket/duel?token=a%20b HTTP/1.1') =>
  `${[line, ...fields].join('\r\n')}\r\n\r\n`;
/** A head with another field in the place of its own, or one more. */
const without = (name: string, ...instead: string[]) =>
  head([...FIELDS.filter((field) => !field.startsWith(`${name}:`)), ...instead]);

test('a head as clients send it: line, fields as they were sent, and where it ends', () => {
  const text = head();
  expect(read(`${text}\x82\x00`)).toEqual({
    url: '/v1/socket/duel?token=a%20b',
    rawHeaders: FIELDS.flatMap((field) => field.split(': ')),
    length: text.length,
  });
});

test.each([
  ['another spelling', without('Upgrade', 'uPGRADE:\t WebSocket\t ')],
  ['more than Upgrade in Connection', without('Connection', 'connection: keep-alive, upgrade')],
  ['bytes above ASCII in a value', without('Host', 'Host: g\xe4me')],
  ['an empty value', head([...FIELDS, 'X-Empty:', 'X-Blank:  \t '])],
  ['a field twice', head([...FIELDS, 'Cookie: a=1', 'Cookie: b=2'])],
  ['colons in a value', head([...FIELDS, 'Origin: http://[::1]:80'])],
])('is known: %s', (_, text) => expect(read(text)).toBeDefined());

test.each([
  ['another method', head(FIELDS, 'POST / HTTP/1.1')],
  ['HTTP/1.0', head(FIELDS, 'GET / HTTP/1.0')],
  ['HTTP/1.10', head(FIELDS, 'GET / HTTP/1.10')],
  ['two spaces', head(FIELDS, 'GET  / HTTP/1.1')],
  ['an absolute target', head(FIELDS, 'GET http://x/ HTTP/1.1')],
  ['a fragment', head(FIELDS, 'GET /#a HTTP/1.1')],
  ['a byte above ASCII in the target', head(FIELDS, 'GET /\xe4 HTTP/1.1')],
  ['a line end in front', `\r\n${head()}`],
  ['bare line feeds', head().replaceAll('\r\n', '\n')],
  ['one bare line feed', head().replace('\r\n', '\n')],
  ['a bare line feed in a value', head([...FIELDS, 'X: a\nY: b'])],
  ['a bare carriage return in a value', head([...FIELDS, 'X: a\rY: b'])],
  ['NUL in a value', head([...FIELDS, 'X: a\0b'])],
  ['a folded line', head([...FIELDS, 'X: a', ' b'])],
  ['a folded first line', head([' Host: x', ...FIELDS])],
  ['space before the colon', head([...FIELDS, 'X : a'])],
  ['no name', head([...FIELDS, ': a'])],
  ['no colon', head([...FIELDS, 'Xa'])],
  ['no fields', 'GET / HTTP/1.1\r\n\r\n'],
  ['no Host', without('Host')],
  ['two hosts', head([...FIELDS, 'Host: game.example'])],
  ['no Upgrade', without('Upgrade')],
  ['an upgrade to something else', without('Upgrade', 'Upgrade: h2c')],
  ['two upgrades', head([...FIELDS, 'Upgrade: websocket'])],
  ['a choice of upgrades', without('Upgrade', 'Upgrade: websocket, h2c')],
  ['no Connection', without('Connection')],
  ['Connection without Upgrade', without('Connection', 'Connection: keep-alive')],
  ['Connection with something like Upgrade', without('Connection', 'Connection: upgrades')],
  ['Connection twice', head([...FIELDS, 'Connection: close'])],
  ['a length', head([...FIELDS, 'Content-Length: 0'])],
  ['a body in chunks', head([...FIELDS, 'Transfer-Encoding: chunked'])],
  ['a body that is expected', head([...FIELDS, 'Expect: 100-continue'])],
  ['too many fields', head([...FIELDS, ...Array.from({ length: 96 }, (_, n) => `X${n}: a`)])],
  ['TLS', '\x16\x03\x01\x02\x00\x01'],
  ['nothing', ''],
])('is left to Node: %s', (_, text) => expect(read(text)).toBeUndefined());

test('a head that has not come whole is left to Node, wherever it ends', () => {
  const text = head();
  for (let n = 0; n < text.length; n++) expect(read(text.slice(0, n))).toBeUndefined();
});

test('one that is longer than it may be, too', () => {
  const text = head();
  expect(read(text, text.length)).toBeDefined();
  expect(read(text, text.length - 1)).toBeUndefined();
});

test('what is behind the length given is not looked at', () => {
  const bytes = Buffer.from(head());
  expect(readUpgradeHead(bytes, bytes.length - 1, MOST)).toBeUndefined();
});

describe('against Node', () => {
  const server = http.createServer((_request, response) => response.end());
  afterAll(() => void server.close());

  /** What Node's server makes of the same bytes; undefined when they are no upgrade for it. */
  function node(bytes: Buffer): Promise<object | undefined> {
    return new Promise((resolve) => {
      const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
      server.removeAllListeners('upgrade');
      server.once('upgrade', ({ method, url, httpVersion, rawHeaders }, _socket, rest: Buffer) =>
        resolve({ method, url, httpVersion, rawHeaders, rest: rest.toString('latin1') }),
      );
      server.emit('connection', stream);
      stream.push(bytes);
      setImmediate(() => setImmediate(() => resolve(undefined)));
    });
  }

  const PIECES = [
    '\r',
    '\n',
    '\r\n',
    ' ',
    '\t',
    ':',
    ',',
    '\0',
    '\x7f',
    '\xff',
    'a',
    '/',
    '#',
    'Upgrade',
    'X: y',
  ];
  const edit = fc.record({
    at: fc.nat(400),
    remove: fc.nat(3),
    put: fc.oneof(
      fc.constantFrom(...PIECES),
      fc.nat(255).map((byte) => String.fromCharCode(byte)),
    ),
  });
  const field = fc.constantFrom(
    ...FIELDS,
    'Cookie: a=1',
    'cookie:b=2 ',
    'X-A:',
    'Connection: keep-alive, Upgrade',
    'Upgrade: WebSocket',
    'X:\t"q" \t',
  );
  const line = fc.constantFrom('GET / HTTP/1.1', 'GET /a/b?c=%20&d HTTP/1.1', 'GET /"{}|^~ HTTP/1.1');

  test('of what a client may send, what is taken is the same to the byte', async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(
        line,
        fc.array(field, { maxLength: 4 }),
        fc.array(edit, { maxLength: 2 }),
        fc.string({ unit: 'binary-ascii', maxLength: 8 }),
        async (first, more, edits, rest) => {
          let text = head([...FIELDS, ...more], first) + rest;
          for (const { at, remove, put } of edits) text = text.slice(0, at) + put + text.slice(at + remove);
          const bytes = Buffer.from(text, 'latin1');
          const got = readUpgradeHead(bytes, bytes.length, MOST);
          if (!got) return;
          taken++;
          const { url, rawHeaders, length } = got;
          expect(await node(bytes)).toEqual({
            method: 'GET',
            url,
            httpVersion: '1.1',
            rawHeaders,
            rest: text.slice(length),
          });
        },
      ),
      { numRuns: 3_000 },
    );
    expect(taken).toBeGreaterThan(300);
  });
});
