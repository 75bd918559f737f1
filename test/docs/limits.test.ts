import { expect, test } from '@jest/globals';
import { amount, filesOf, read, rowsOf } from './markdown.ts';

const NUMBER = '([\\d_][\\d_ *<()]*)';

function evaluate(expression: string): number {
  return Function(`return (${expression.replaceAll('_', '')})`)() as number;
}

/** The number that a constant, a default or a field of a schema has in a source. */
function numberOf(source: string, name: string): number | undefined {
  const forms = [
    `\\b${name}\\b(?:: \\w+)? ?[=:] ?${NUMBER}`,
    `\\b${name}: .*\\.default\\(${NUMBER}\\)`,
    `\\b${name} = .*\\.max\\(${NUMBER}\\)`,
  ];
  for (const form of forms) {
    const found = new RegExp(form).exec(source)?.[1];
    if (found !== undefined) return evaluate(form.includes('\\.') ? found.replace(/[^\d_]/g, '') : found);
  }
  return undefined;
}

const limits = rowsOf('docs/limits.md').map(([what, value, where]) => {
  const [, name, file] = /^`(\w+)` in `([\w./-]+)`/.exec(where!) ?? [];
  return { what: what!, value: value!, name: name!, file: file! };
});

test('every limit on the page has the value it has in the code', () => {
  const documented = limits.map(({ what, value, name, file }) => ({
    what,
    name,
    file,
    number: amount(value),
  }));
  const real = limits.map(({ what, name, file }) => ({
    what,
    name,
    file,
    number: numberOf(read(file), name),
  }));
  expect(documented).toEqual(real);
});

/** Numbers with such names that bound nothing a user meets: sizes of the machinery, codes, drawing … */
const NO_LIMITS = new Set([
  'ARENA_BYTES',
  'GATHER_BYTES',
  'HEADER_BYTES',
  'MAX_HEADER',
  'MAX_ID',
  'REHEARSAL_ROOMS',
  'ROOM_DATA_BYTES',
  'lastWordsMs',
  'redrawMs',
  'refreshMs',
  'sameKeypressMs',
]);
/** … and how often something is looked at or tried again. */
const RHYTHM = /PAUSE|RETRY|LOOK|EVERY|CACHE|^CLAIM|WINDOW_MS/;
const LIMIT =
  /^(?:MAX|MIN|MORE)_|_(?:MS|BYTES|LIMIT|ROOMS|CALLS|TRIES|HOPS|ONCE)$|^WINDOW$|^(?:most|longest|max)[A-Z]|(?:Ms|Limit)$/;

test('every limit of the code is on the page', () => {
  const folders = ['server/src', 'client-sdk/src', 'matchmaker-functions/src'];
  const sources = folders
    .flatMap((folder) => filesOf(folder, '.ts'))
    .filter((file) => !/^server\/src\/cli\/bots\/|^matchmaker-functions\/src\/simulate\//.test(file));
  const found = sources.flatMap((file) =>
    [...read(file).matchAll(/^(?:export )?const (\w+)(?:: \w+)? = [\d(][\d_ *<()]*;/gm)]
      .map(([, name]) => name!)
      .filter((name) => LIMIT.test(name) && !NO_LIMITS.has(name) && !RHYTHM.test(name))
      .map((name) => `${name} in ${file}`),
  );
  const listed = new Set(limits.map(({ name, file }) => `${name} in ${file}`));
  expect(found.length).toBeGreaterThan(40);
  expect(found.filter((limit) => !listed.has(limit))).toEqual([]);
});

test('every option of the transport and the supervisor that is a number is on the page', () => {
  const section = (file: string, start: string) => read(file).split(start)[1]!.split('};')[0]!;
  const keys = (text: string) => [...text.matchAll(/^ {2}(\w+): [\d_]/gm)].map(([, name]) => name!);
  const names = [
    ...keys(section('server/src/transport/options.ts', 'const DEFAULTS = {')),
    ...keys(section('server/src/supervisor/options.ts', 'const defaultTiming: Timing = {')),
  ];
  expect(names.length).toBeGreaterThan(14);
  expect(names.filter((name) => !limits.some((limit) => limit.name === name))).toEqual([]);
});
