// deploy/baton.service runs a command line that exists, and is a unit that systemd takes.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { createProgram } from '../../server/src/cli/program.ts';
import { cleanUp, tempDir } from '../supervisor/service.ts';

afterEach(cleanUp);

const unit = fs.readFileSync(new URL('../../deploy/baton.service', import.meta.url), 'utf8');
const setting = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)![1]!;
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

test('its command line is one that the program takes, its variables are those of the options', async () => {
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
});

(hasSystemd ? test : test.skip)('systemd finds nothing wrong with it', () => {
  const dir = tempDir();
  const file = path.join(dir, 'baton.service');
  // what is adapted: a program, a folder and a user that exist here
  const adapted = unit
    .replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`)
    .replace(/^WorkingDirectory=.*/m, `WorkingDirectory=${dir}`)
    .replace(/^User=.*/m, 'User=root');
  fs.writeFileSync(file, adapted);
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' });
  expect([status, (stdout + stderr).split('\n').filter((line) => line.includes(file))]).toEqual([0, []]);
});
