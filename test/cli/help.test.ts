import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { Command } from 'commander';
import { createProgram } from '../../server/src/cli/program.ts';
import { cleanUp, tempDir } from '../supervisor/service.ts';
import { baton, CommandLine, launcher } from './command-line.ts';

afterEach(cleanUp);

const program = await createProgram();
/** A command and those below it. */
const family = (command: Command): Command[] => [command, ...command.commands.flatMap(family)];
const docs = fs.readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');

describe('docs/cli.md', () => {
  test.each(program.commands.map((command) => [command.name(), command] as const))(
    'describes %s and its options',
    (name, command) => {
      const own = docs.split(/^## /m).find((part) => part.startsWith(`baton ${name}\n`));
      expect(own).toBeDefined();
      // Those of all commands that talk to a service are described once.
      const shared = docs.split(/^## /m).find((part) => part.startsWith('Which service'))!;
      for (const option of family(command).flatMap(({ options }) => options)) {
        expect(own! + shared).toContain(`\`${option.flags}\``);
        if (option.envVar) expect(own! + shared).toContain(`\`${option.envVar}\``);
      }
      for (const argument of family(command).flatMap((one) => one.registeredArguments)) {
        expect(own).toContain(argument.required ? `<${argument.name()}>` : `[${argument.name()}]`);
      }
    },
  );

  test('describes nothing that does not exist', () => {
    const known = new Set([
      '--help',
      ...family(program).flatMap(({ options }) => options.map(({ long }) => long)),
    ]);
    for (const [, flag] of docs.matchAll(/`(?:-\w, )?(--[\w-]+)/g)) expect(known).toContain(flag);
    const commands = program.commands.map((command) => command.name());
    for (const [, name] of docs.matchAll(/^## baton (\w+)$/gm)) expect(commands).toContain(name);
  });
});

describe('help', () => {
  test.each(program.commands.map((command) => command.name()))('of %s has examples', async (name) => {
    const { code, stdout, stderr } = await baton([name, '--help']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(new RegExp(`^Usage: baton ${name}(\\|\\w+)? \\[options\\]`, 'm'));
    expect(stdout).toContain(`$ baton ${name}`);
    expect(stdout).toContain('--json');
  });

  test('of the whole lists the commands and exit codes', async () => {
    const { code, stdout } = await baton(['--help']);
    expect(code).toBe(0);
    for (const command of program.commands)
      expect(stdout).toMatch(new RegExp(`^  ${command.name()}[ |]`, 'm'));
    expect(stdout).toContain('Exit codes');
  });

  test.each([
    [[], 'no command given'],
    [['fly'], "unknown command 'fly'"],
    [['migrate', 'a'], "required option '--to <host>' not specified"],
    [['drain', 'h1', '--deadline', 'soon'], 'Expected a whole number'],
    [
      ['start', '--allow-endpoints', '10.0.0.0/8,10.0.0.0/33'],
      '"10.0.0.0/33" is not a range such as 10.0.0.0/8',
    ],
    [
      ['start', '--allow-endpoints', '10.0.0.0/8', '--allow-endpoints', 'localhost'],
      '"localhost" is not a range',
    ],
    [['status', '--url', 'ftp://h'], '"ftp://h" is not an http(s) URL'],
  ])('is pointed to after wrong usage: %j', async (args, message) => {
    const { code, stderr } = await baton(args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(/^baton: .* \(BATON_(USAGE|INVALID_OPTION)\)$/);
  });
});

describe('the launcher', () => {
  const version = JSON.parse(
    fs.readFileSync(new URL('../../server/package.json', import.meta.url), 'utf8'),
  ).version;
  /** Makes a Node believe that it is an old one. */
  const oldNode = (dir: string): string[] => {
    const file = path.join(dir, 'old.cjs');
    fs.writeFileSync(file, "Object.defineProperty(process.versions, 'node', { value: '20.1.0' });");
    return ['--require', file];
  };

  test('runs the command line', async () => {
    const { code, stdout } = await new CommandLine(['--version'], { command: [launcher] }).outcome;
    expect([code, stdout]).toEqual([0, `${version}\n`]);
  });

  test('passes the exit code on', async () => {
    expect((await new CommandLine(['fly'], { command: [launcher] }).outcome).code).toBe(2);
  });

  test('finds a newer Node when the current one is too old', async () => {
    const { code, stdout } = await new CommandLine(['--version'], {
      command: [...oldNode(tempDir()), launcher],
    }).outcome;
    expect([code, stdout]).toEqual([0, `${version}\n`]);
  });

  test('says so when there is none', async () => {
    const dir = tempDir();
    fs.mkdirSync(path.join(dir, 'bin'));
    fs.copyFileSync(launcher, path.join(dir, 'bin', 'baton.mjs'));
    const { code, stderr } = await new CommandLine([], {
      command: [...oldNode(dir), path.join(dir, 'bin', 'baton.mjs')],
    }).outcome;
    expect(code).toBe(2);
    expect(stderr).toMatch(/^baton: Node 22.19 or newer is needed/);
  });
});
