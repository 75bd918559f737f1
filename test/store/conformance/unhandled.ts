import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from '@jest/globals';
import type { Backend, Space, StartBackend } from '../backend.ts';

/** Calls that nobody awaits, in a process of its own. */
export function unhandled(start: StartBackend): void {
  let backend: Backend | undefined;
  let child: ChildProcess | undefined;
  afterEach(async () => {
    child?.kill('SIGKILL');
    await backend?.close();
  });

  const run = async (options: Space['options']): Promise<ChildProcess> => {
    const program = fileURLToPath(new URL('../unhandled-child.mts', import.meta.url));
    const args = ['-C', 'baton-source', '--import', 'tsx', program, JSON.stringify(options)];
    child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    expect(await next(child)).toBe(true);
    return child;
  };
  const next = async (process: ChildProcess) => (await once(process, 'message'))[0];

  test('calls left unhandled while the store is away do not end the process; other failures do', async () => {
    backend = await start();
    const process = await run((await backend.space()).options);
    await Promise.all([next(process), backend.kill()]);
    process.send('leave calls');
    expect(await next(process)).toBe('alive');
    const exited = once(process, 'exit');
    let printed = '';
    process.stderr!.on('data', (chunk) => (printed += chunk));
    process.send('fail');
    expect(await exited).toEqual([1, null]);
    expect(printed).toContain('not about the store');
  });

  test('a closed store keeps no process running', async () => {
    backend = await start();
    const process = await run((await backend.space()).options);
    const exited = once(process, 'exit');
    process.send('close');
    expect(await exited).toEqual([0, null]);
  });
}
