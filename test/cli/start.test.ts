import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { cleanUp, isAlive, tempDir, writeApp } from '../supervisor/service.ts';
import { baton, CommandLine, endAtTheEnd, startService } from './command-line.ts';

afterEach(cleanUp);

/** Its hosts block for ever when they are told to end. */
const stuck = `
  process.on('message', ({ type }) => type === 'stop' && Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  export default { version: 1 };`;

async function hostPids(runtimeDir: string): Promise<number[]> {
  const { json } = await baton(['status', '--json', '--runtime-dir', runtimeDir]);
  return json.hosts.map(({ pid }: { pid: number }) => pid);
}

async function start(
  behaviour: Parameters<typeof writeApp>[1],
  args: string[] = [],
  env: Record<string, string> = {},
) {
  const dir = tempDir();
  const service = await startService(
    [writeApp(dir, behaviour), '--runtime-dir', path.join(dir, 'run'), ...args],
    env,
  );
  const pids = await hostPids(service.runtimeDir);
  endAtTheEnd(pids);
  return { dir, pids, ...service };
}

describe('baton start', () => {
  test('--json tells where the service is; the log goes to standard error', async () => {
    const { line, url, port, pid, runtimeDir, hosts } = await start({ version: 1 });
    expect({ url, pid, hosts }).toEqual({
      url: `http://127.0.0.1:${port}`,
      pid: line.child.pid,
      hosts: ['h1', 'h2'],
    });
    expect(fs.existsSync(path.join(runtimeDir, 'service.json'))).toBe(true);
    expect(line.stderr).toContain('new | version 1');
    expect(line.stdout.split('\n')).toHaveLength(2);
  });

  test('takes app.config.* of the working directory, and settings from the environment', async () => {
    const dir = tempDir();
    writeApp(dir, { version: 1 });
    const env = { BATON_HOSTS: '1', BATON_PORT: '0', BATON_CONTROL_TOKEN: 'a-token-of-some-length' };
    const line = new CommandLine(['start', '--json', '--runtime-dir', path.join(dir, 'run')], {
      cwd: dir,
      env,
    });
    await line.until(() => line.stdout.endsWith('}\n'));
    const { url, hosts } = JSON.parse(line.stdout);
    expect(hosts).toEqual(['h1']);
    expect((await baton(['status', '--json', '--url', url, '--token', env.BATON_CONTROL_TOKEN])).code).toBe(
      0,
    );
    line.child.kill('SIGTERM');
    expect((await line.outcome).code).toBe(0);
  });

  test('goes on when nobody reads its output any more', async () => {
    const { line, runtimeDir, url } = await start({ version: 1 }, ['--hosts', '1']);
    line.child.stdout!.destroy();
    line.child.stderr!.destroy();
    expect((await baton(['reload', '--json', '--runtime-dir', runtimeDir])).json).toMatchObject({
      to: ['h2'],
    });
    expect(await (await fetch(url)).json()).toMatchObject({ id: 'h2' });
    line.child.kill('SIGTERM');
    expect((await line.outcome).code).toBe(0);
    expect(fs.existsSync(path.join(runtimeDir, 'service.json'))).toBe(false);
  });

  test('never prints the token', async () => {
    const controlToken = 'a-token-of-some-length';
    const { line } = await start({ version: 1 }, ['--hosts', '1'], {
      BATON_CONTROL_TOKEN: controlToken,
      BATON_LOG: 'trace',
    });
    line.child.kill('SIGTERM');
    const { stdout, stderr } = await line.outcome;
    expect(stdout + stderr).not.toContain(controlToken);
  });

  test.each([
    [['nowhere.ts'], 'BATON_APP_NOT_FOUND', 'No app at '],
    [['--hosts', 'many'], 'BATON_USAGE', 'Expected a whole number'],
    [['--prot', '1'], 'BATON_USAGE', "unknown option '--prot'"],
    [['a', 'b'], 'BATON_USAGE', 'too many arguments'],
  ])('%j: exit code 2', async (args, error, message) => {
    const { code, stderr, json } = await baton(['start', '--json', ...args]);
    expect(code).toBe(2);
    expect(json.error.code).toBe(error);
    expect(stderr).toContain(message);
  });

  test('on a port in use: exit code 2 and what to do', async () => {
    const { port, dir } = await start({ version: 1 }, ['--hosts', '1']);
    const app = path.join(dir, 'app.config.mjs');
    const { code, stderr } = await baton([
      'start',
      app,
      '--plain',
      '--port',
      String(port),
      '--host',
      '127.0.0.1',
    ]);
    expect(code).toBe(2);
    expect(stderr).toBe(
      `baton: Port ${port} is already in use. Stop the other server or choose another port with --port. (BATON_PORT_IN_USE)\n`,
    );
  });

  test('with an app that throws: its output, one line of error, exit code 1', async () => {
    const dir = tempDir();
    const app = writeApp(dir, 'throw new Error("no luck");');
    const { code, stdout, stderr } = await baton([
      'start',
      app,
      '--port',
      '0',
      '--plain',
      '--runtime-dir',
      path.join(dir, 'run'),
    ]);
    expect(code).toBe(1);
    expect(stdout).toContain('new | Error: no luck');
    expect(stderr).toMatch(/^baton: .* did not load: Error: no luck \(BATON_APP_FAILED\)\n$/);
  });
});

describe('signals', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s ends the service and its hosts, exit code 0',
    async (signal) => {
      const { line, pids, runtimeDir } = await start({ version: 1 });
      line.child.kill(signal);
      const { code, stderr } = await line.outcome;
      expect(code).toBe(0);
      expect(stderr).toContain('h1 | bye');
      expect(pids.filter(isAlive)).toEqual([]);
      expect(fs.existsSync(path.join(runtimeDir, 'service.json'))).toBe(false);
    },
  );

  test('Ctrl-C twice ends it at once', async () => {
    const { line, pids } = await start(stuck, ['--hosts', '1']);
    line.child.kill('SIGINT');
    await line.until((output) => output.includes('press Ctrl-C again'));
    expect(pids.filter(isAlive)).toEqual(pids);
    line.child.kill('SIGINT');
    expect((await line.outcome).code).toBe(130);
    expect(pids.filter(isAlive)).toEqual([]);
  });

  test('signals that arrive together count as one', async () => {
    const { line } = await start({ version: 1 }, ['--hosts', '1']);
    line.child.kill('SIGINT');
    line.child.kill('SIGTERM');
    const { code, stderr } = await line.outcome;
    expect(code).toBe(0);
    expect(stderr).toContain('h1 | bye');
  });

  test('Ctrl-C in a terminal, which goes to the whole process group, ends hosts gracefully all the same', async () => {
    const { line } = await start({ version: 1 }, ['--hosts', '1']);
    process.kill(-line.child.pid!, 'SIGINT');
    const { code, stderr } = await line.outcome;
    expect(code).toBe(0);
    expect(stderr).toContain('h1 | bye');
  });

  test('during the start call it off', async () => {
    const dir = tempDir();
    const app = writeApp(dir, { version: 1, hangs: true });
    const line = new CommandLine([
      'start',
      app,
      '--port',
      '0',
      '--plain',
      '--runtime-dir',
      path.join(dir, 'run'),
    ]);
    await line.until((output) => output.includes('new | version 1'));
    line.child.kill('SIGTERM');
    expect((await line.outcome).code).toBe(0);
  });

  test('SIGHUP brings new code into service; code that throws changes nothing', async () => {
    const { line, dir, url } = await start({ version: 1 }, ['--hosts', '1']);
    writeApp(dir, { version: 2 });
    line.child.kill('SIGHUP');
    await line.until((output) => output.includes('h1 | bye'));
    expect(await (await fetch(url)).json()).toMatchObject({ id: 'h2', version: 2 });
    writeApp(dir, 'throw new Error("no luck");');
    // refused while the first reload is not quite through
    const again = setInterval(() => line.child.kill('SIGHUP'), 1_000);
    await line
      .until((output) => output.includes('The new code did not take over'))
      .finally(() => clearInterval(again));
    expect(await (await fetch(url)).json()).toMatchObject({ id: 'h2', version: 2 });
  }, 180_000);
});

describe('without its supervisor', () => {
  test('hosts go on, and the command line still finds them', async () => {
    const { line, url, pids, runtimeDir } = await start({ version: 1 });
    line.child.kill('SIGKILL');
    await line.outcome;
    expect(await (await fetch(url)).json()).toMatchObject({ version: 1 });
    expect((await hostPids(runtimeDir)).sort()).toEqual(pids.sort());
  });
});
