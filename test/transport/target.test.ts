// Targets of requests: whatever is spelled plainly is what URL makes of it.
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { targetOf } from '../../server/src/transport/target.ts';

test.each([
  ['/v1/socket/duel?token=a%20b&options=%7B%7D', '/v1/socket/duel', { token: 'a b', options: '{}' }],
  ['/p/room?sessionId=x+y&&=', '/p/room', { sessionId: 'x y' }],
  ['/p/room', '/p/room', {}],
  ['/p/room?', '/p/room', {}],
  ['/a/../b?c=1', '/b', { c: '1' }],
  ['/a??c=1', '/a', { '?c': '1' }],
  ['/%61?c', '/%61', { c: '' }],
  ['/a#b?c=1', '/a', {}],
  ['/a?b=1#c', '/a', { b: '1' }],
])('%s', (url, pathname, query) => {
  const target = targetOf(url)!;
  expect(target.pathname).toBe(pathname);
  for (const [name, value] of Object.entries(query)) expect(target.searchParams.get(name)).toBe(value);
});

test('what is no path is none', () => expect(targetOf(':x')).toBeUndefined());

test('of any target it says what URL says', () => {
  const piece = fc.constantFrom(
    '/',
    'a',
    'B_-9',
    '.',
    '..',
    '%2e',
    '%',
    '?',
    '&',
    '=',
    '+',
    '#',
    '\xe4',
    '"',
    ';',
    '\\',
    '@',
    ':',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const url = `/${pieces.join('')}`;
      const target = targetOf(url);
      const known = URL.parse(`ws://server${url}`);
      expect(target?.pathname).toBe(known?.pathname);
      expect(target && [...target.searchParams]).toEqual(known && [...known.searchParams]);
    }),
    { numRuns: 2_000 },
  );
});
