import { expect, test } from '@jest/globals';
import { blocksOf, codeIn, read, rowsOf } from './markdown.ts';

test('the drawing of a move has the transitions that the code allows', () => {
  const table = /const NEXT[^=]*= \{([\s\S]*?)\n\};/.exec(read('server/src/migration/move/states.ts'))![1]!;
  const allowed = [...table.matchAll(/^ {2}(\w+): \[(.*)\],$/gm)].flatMap(([, from, to]) =>
    [...to!.matchAll(/'(\w+)'/g)].map(([, name]) => `${from} --> ${name}`),
  );
  const drawing = blocksOf('docs/migration.md').find(({ text }) => text.startsWith('stateDiagram'))!;
  const drawn = [...drawing.text.matchAll(/^ {2}(\w+ --> \w+)/gm)].map(([, transition]) => transition!);
  expect(allowed.length).toBeGreaterThan(8);
  expect(drawn.sort()).toEqual(allowed.sort());
});

test('the phases of the diagnostics channel are those that the code announces', () => {
  const sources = ['departure', 'arrivals', 'target', 'source']
    .map((file) => read(`server/src/migration/move/${file}.ts`))
    .join('');
  const target = new Set([...sources.matchAll(/announce\('target', '(\w+)'/g)].map(([, phase]) => phase!));
  const states = /type SourceState =([^;]+);/.exec(read('server/src/migration/move/states.ts'))![1]!;
  const source = new Set([...states.matchAll(/'(\w+)'/g)].map(([, state]) => state!));
  const listed = new Map(
    rowsOf('docs/production.md', 'Watching moves').map(([side, phases]) => [
      codeIn(side)!,
      [...phases!.matchAll(/`(\w+)`/g)].map(([, phase]) => phase!).sort(),
    ]),
  );
  expect(listed.get('target')).toEqual([...target].sort());
  expect(listed.get('source')).toEqual([...source].sort());
});

test('the columns of failures name errors of the catalogue', async () => {
  const { catalogue } = await import('../../server/src/errors.ts');
  const named = [...read('docs/migration.md').matchAll(/`(BATON_\w+)`/g)].map(([, code]) => code!);
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((code) => !catalogue.has(code))).toEqual([]);
});
