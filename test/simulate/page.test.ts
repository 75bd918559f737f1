// docs/simulator.md shows what its example really prints, and files that can be read.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generatePopulation } from '@baton/functions/simulate';
import { afterAll, expect, test } from '@jest/globals';
import { readPopulation } from '../../server/src/cli/simulate/population-file.ts';
import { readTrace } from '../../server/src/cli/simulate/trace.ts';
import { blocksOf, root } from '../docs/markdown.ts';
import { baton } from './command-line.ts';

// Inside the repository, so that its import is found.
const folder = join(root, `docs-simulator-${process.pid}.tmp`);
mkdirSync(folder);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A block of a language, the first one if nothing else is said. */
function block(language: string, n = 0): string {
  return blocksOf('docs/simulator.md').filter(({ info }) => info === language)[n]!.text;
}

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

test.each([
  ['a matchmaker', 0],
  ['functions, beside the matchmaker', 1],
])(
  'the output on the page is that of the example above it: %s',
  async (_what, n) => {
    const [command, ...output] = block('console', n).trimEnd().split('\n');
    file('matchmaker.ts', block('ts', 0));
    file('functions.ts', block('ts', 1));
    const { code, stdout, stderr } = await baton(command!.split(' ').slice(3), folder);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.trimEnd()).toBe(output.join('\n'));
  },
  30_000,
);

test('its population and its trace can be played', async () => {
  const { population, options } = await readPopulation(file('players.yaml', block('yaml')));
  const arrivals = generatePopulation({ ...population, players: 100, arrivalsPerSecond: 10, seed: 1 });
  expect(new Set(arrivals.map(({ players }) => players.length))).toEqual(new Set([1, 2, 3]));
  expect(options).toMatchObject({
    playAgain: { probability: 0.8, matchDuration: 600_000 },
    updateRatings: true,
  });
  expect(
    readTrace(file('evening.csv', block('csv'))).map(({ players }) => players.map(({ id }) => id)),
  ).toEqual([['anna'], ['ben', 'cleo']]);
});
