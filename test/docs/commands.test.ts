import { expect, test } from '@jest/globals';
import type { Command } from 'commander';
import { createProgram } from '../../server/src/cli/program.ts';
import { blocksOf, pages, proseOf } from './markdown.ts';

/** Command lines of Baton in the fenced blocks of a page, and in the running text of the README. */
function commandsIn(page: string): string[] {
  const fenced = blocksOf(page)
    .filter(({ info }) => ['sh', 'console', 'bash'].includes(info))
    .flatMap(({ text }) => text.split('\n'))
    .map((line) => line.replace(/^\$ /, '').replace(/\s+#.*$/, ''))
    .flatMap((line) => line.split(/ && | \| /))
    .map((line) => /^\s*(?:npx )?baton (\S.*)$/.exec(line)?.[1]);
  const inline =
    page === 'README.md'
      ? [...proseOf(page).matchAll(/`(?:npx )?baton ([^`]+)`/g)].map((found) => found[1])
      : [];
  return [...fenced, ...inline].filter((command) => command !== undefined);
}

function silence(commands: readonly Command[]): void {
  for (const command of commands) {
    if (command.commands.length === 0) command.action(() => {});
    silence(command.commands);
  }
}

/** Parses without carrying out. */
async function parse(command: string): Promise<void> {
  const program = await createProgram();
  silence(program.commands);
  await program.parseAsync(command.trim().split(/\s+/), { from: 'user' });
}

test('every command line in the pages is one that the program takes', async () => {
  const commands = pages().flatMap((page) => commandsIn(page).map((command) => ({ page, command })));
  expect(commands.filter(({ page }) => page === 'README.md').length).toBeGreaterThan(7);
  const refused: unknown[] = [];
  for (const { page, command } of commands) {
    await parse(command).catch((error: Error) => refused.push({ page, command, error: error.message }));
  }
  expect(refused).toEqual([]);
});

test('the README shows every command', async () => {
  const shown = new Set(commandsIn('README.md').map((command) => command.split(' ')[0]));
  const names = (await createProgram()).commands.map((command) => command.name());
  expect([...shown].sort()).toEqual(names.sort());
});

test('a wrong command line is noticed', async () => {
  await expect(parse('migrate abc')).rejects.toThrow('--to');
  await expect(parse('start --no-such-option')).rejects.toThrow('unknown option');
  await expect(parse('fly')).rejects.toThrow('unknown command');
});
