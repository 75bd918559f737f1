// docs/simulator.md shows what its example really prints.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { blocksOf, root } from '../docs/markdown.ts';
import { baton } from './command-line.ts';

// Inside the repository, so that its import is found.
const folder = join(root, `docs-simulator-${process.pid}.tmp`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the output on the page is that of the example above it', async () => {
  const blocks = blocksOf('docs/simulator.md');
  const [source, command, output] = ['ts', 'sh', 'text'].map(
    (kind) => blocks.find(({ info }) => info === kind)!.text,
  );
  mkdirSync(folder);
  writeFileSync(join(folder, 'matchmaker.ts'), source!);
  const { code, stdout, stderr } = await baton(command!.trim().split(' ').slice(2), folder);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout.trimEnd()).toBe(output!.trimEnd());
}, 30_000);
