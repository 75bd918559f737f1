import { clientErrors } from '@baton/client';
import { expect, test } from '@jest/globals';
import { catalogue } from '../../server/src/errors.ts';
import { codeIn, rowsOf } from './markdown.ts';

test('docs/errors.md lists every code with its status, and no others', () => {
  const documented = rowsOf('docs/errors.md').map((row) => [codeIn(row[0])!, Number(row[1])] as const);
  const raised = [...catalogue].map(([code, { status }]) => [code, status] as const);
  expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(raised));
  expect(documented).toHaveLength(raised.length);
});

test('docs/client.md lists every code that the client package finds by itself, and no others', () => {
  const documented = rowsOf('docs/client.md', 'Errors').map(([code]) => codeIn(code)!);
  expect(documented).toEqual(Object.keys(clientErrors));
  expect(documented.filter((code) => catalogue.has(code))).toEqual([]);
});

test('every code is explained', () => {
  for (const [code, , meaning, remedy] of rowsOf('docs/errors.md')) {
    expect({ code, meaning, remedy }).toEqual({
      code,
      meaning: expect.stringMatching(/\S{2,} .*\.$/),
      remedy: expect.stringMatching(/\.$/),
    });
  }
});
