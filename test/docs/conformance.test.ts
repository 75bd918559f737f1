import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { root, rowsOf } from './markdown.ts';
import { testsOf } from './tests.ts';

const PAGE = 'docs/conformance.md';

/** What is wrong with a reference such as `` `sockets/open.test.ts`: a name ``; nothing when there is such a test. */
function wrongWith(reference: string): string | undefined {
  const [, path, name] = /^`([\w/.-]+)`: (.+)$/.exec(reference) ?? [];
  if (path === undefined || name === undefined) return `no reference: ${reference}`;
  const file = join('test', path);
  if (!existsSync(join(root, file))) return `no file: ${reference}`;
  return testsOf(file).includes(name.replaceAll('&lt;', '<')) ? undefined : `no such test: ${reference}`;
}

test('every test that is to prove a promise exists, in its file and under its name', () => {
  const rows = rowsOf(PAGE);
  expect(rows.length).toBeGreaterThan(100);
  const references = rows.flatMap(([, tests]) => tests!.split('<br>'));
  expect([...new Set(references)].flatMap((reference) => wrongWith(reference) ?? [])).toEqual([]);
});

test('one that was renamed, left out or moved is noticed', () => {
  expect(wrongWith('`docs/conformance.test.ts`: one that was renamed')).toMatch(/^no such test/);
  expect(wrongWith('`docs/gone.test.ts`: one')).toMatch(/^no file/);
  expect(wrongWith('nothing')).toMatch(/^no reference/);
  expect(wrongWith('`docs/conformance.test.ts`: one that was renamed, left out or moved is noticed')).toBe(
    undefined,
  );
});
