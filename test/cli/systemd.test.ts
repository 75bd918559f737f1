// The units of deploy/ run a command line that exists, and are such that systemd takes.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { createProgram } from '../../server/src/cli/program.ts';
import { cleanUp, tempDir } from '../supervisor/service.ts';

afterEach(cleanUp);

const PORT = '2568';
const read = (name: string) => fs.readFileSync(new URL(`../../deploy/${name}`, import.meta.url), 'utf8');
/** As systemd reads them: the one with @ for a port. */
const units = {
  'baton.service': read('baton.service'),
  'baton@.service': read('baton@.service').replaceAll('%i', PORT),
};
const names = Object.keys(units) as (keyof typeof units)[];
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

test.each(names)(
  '%s: its command line is one that the program takes, its variables are options',
  async (name) => {
    const unit = units[name];
    const setting = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)![1]!;
    const [command, ...args] = setting('ExecStart').split(' ');
    expect(path.basename(command!)).toBe('baton');
    const program = await createProgram();
    const start = program.commands.find((each) => each.name() === 'start')!;
    start.action(() => {});
    await program.parseAsync(args, { from: 'user' });
    expect(start.opts()).toMatchObject({ plain: true, runtimeDir: `/run/${setting('RuntimeDirectory')}` });
    const known = [...start.options.map(({ envVar }) => envVar), 'BATON_CONTROL_TOKEN'];
    const named = unit.match(/\bBATON_\w+/g)!;
    expect(named.length).toBeGreaterThan(3);
    for (const variable of named) expect(known).toContain(variable);
  },
);

test('the two are the same but for the port', () => {
  const settings = (name: keyof typeof units) =>
    units[name]
      .split('\n')
      .filter((line) => /^[A-Z]/.test(line) && !/^(Description|ExecStart|RuntimeDirectory)=/.test(line));
  expect(settings('baton@.service')).toEqual(settings('baton.service'));
});

(hasSystemd ? test : test.skip).each(names)('systemd finds nothing wrong with %s', (name) => {
  const unit = units[name];
  const dir = tempDir();
  const file = path.join(dir, name.replace('@', `@${PORT}`));
  // what is adapted: a program, a folder and a user that exist here
  const adapted = unit
    .replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`)
    .replace(/^WorkingDirectory=.*/m, `WorkingDirectory=${dir}`)
    .replace(/^User=.*/m, 'User=root');
  fs.writeFileSync(file, adapted);
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' });
  expect([status, (stdout + stderr).split('\n').filter((line) => line.includes(file))]).toEqual([0, []]);
});
