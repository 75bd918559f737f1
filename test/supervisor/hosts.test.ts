import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { findService, Supervisor } from '../../server/src/supervisor/index.ts';
import { startTicks } from '../../server/src/telemetry/proc-stat.ts';
import { atEnd, cleanUp, fixtureProgram, isAlive, TestService, tempDir, writeApp } from './service.ts';

afterEach(cleanUp);

describe('a service', () => {
  test('answers on one port with all its hosts', async () => {
    const service = await TestService.start({ version: 1 });
    expect(service.hosts.map(({ state }) => state)).toEqual(['up', 'up']);
    // The kernel gives a connection to whichever host accepts first: keep several open at a time.
    const ids = new Set<string>();
    for (let round = 0; round < 50 && ids.size < 2; round++) {
      for (const { id } of await Promise.all(Array.from({ length: 16 }, () => service.get()))) ids.add(id);
    }
    expect([...ids].sort()).toEqual(['h1', 'h2']);
    expect(service.lines).toContain('new | version 1');
  });

  test('writes a service file for this user only, and takes it away at its end', async () => {
    const service = await TestService.start({ version: 1 }, { hosts: 1 });
    const { runtimeDir, url, port, token } = service.supervisor;
    const file = path.join(runtimeDir, 'service.json');
    expect(fs.statSync(runtimeDir).mode & 0o777).toBe(0o700);
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
    expect(JSON.parse(fs.readFileSync(file, 'utf8'))).toMatchObject({ url, port, token, pid: process.pid });
    expect(await findService({ runtimeDir })).toMatchObject({ url });
    await service.supervisor.stop();
    expect(fs.existsSync(file)).toBe(false);
    expect(await findService({ runtimeDir })).toBeUndefined();
  });

  test('says what is wrong when the service file cannot be written, and leaves nothing behind', async () => {
    const runtimeDir = path.join(tempDir(), 'run');
    fs.mkdirSync(path.join(runtimeDir, 'service.json'), { recursive: true, mode: 0o700 });
    await expect(TestService.start({ version: 1 }, { hosts: 1, runtimeDir })).rejects.toMatchObject({
      code: 'BATON_RUNTIME_DIR_UNSAFE',
      details: { path: runtimeDir, reason: expect.stringContaining('service.json') },
    });
    expect(fs.readdirSync(runtimeDir).filter((name) => name.startsWith('service'))).toEqual(['service.json']);
  });

  test('is not taken for one that ended, when another process has its number now', async () => {
    const service = await TestService.start({ version: 1 }, { hosts: 1 });
    const { runtimeDir } = service.supervisor;
    const file = path.join(runtimeDir, 'service.json');
    const info = JSON.parse(fs.readFileSync(file, 'utf8'));
    const other = path.join(tempDir(), 'run');
    fs.mkdirSync(other, { mode: 0o700 });
    const left = (pidStart: number) =>
      fs.writeFileSync(
        path.join(other, 'service.json'),
        JSON.stringify({ ...info, url: 'http://127.0.0.1:9', pid: process.ppid, pidStart }),
        { mode: 0o600 },
      );
    left(startTicks(process.ppid)!);
    expect(await findService({ runtimeDir: other })).toMatchObject({ pid: process.ppid });
    await expect(TestService.start({ version: 1 }, { runtimeDir: other })).rejects.toMatchObject({
      code: 'BATON_RUNTIME_DIR_UNSAFE',
    });
    left(startTicks(process.ppid)! + 1);
    expect(await findService({ runtimeDir: other })).toBeUndefined();
    const second = await TestService.start({ version: 1 }, { hosts: 1, runtimeDir: other });
    expect(await second.get()).toMatchObject({ version: 1 });
  });

  test('keeps the token it is given, and refuses a short one', async () => {
    const controlToken = 'a-token-of-some-length';
    const service = await TestService.start({ version: 1 }, { hosts: 1, controlToken });
    expect((await service.fetch('/v1/hosts')).status).toBe(200);
    expect(service.supervisor.token).toBe(controlToken);
    await expect(TestService.start({ version: 1 }, { controlToken: 'short' })).rejects.toMatchObject({
      code: 'BATON_INVALID_OPTION',
    });
  });

  test('ends its hosts gracefully', async () => {
    const service = await TestService.start({ version: 1 });
    const pids = service.hosts.map(({ pid }) => pid!);
    await service.supervisor.stop();
    expect(service.lines.filter((line) => line.endsWith('bye')).sort()).toEqual(['h1 | bye', 'h2 | bye']);
    expect(pids.filter(isAlive)).toEqual([]);
    await expect(fetch(service.supervisor.url)).rejects.toThrow();
    await expect(service.supervisor.reload()).rejects.toMatchObject({ code: 'BATON_STOPPING' });
  });

  test('ends a host by force that does not end in time', async () => {
    const service = await TestService.start(
      'process.on("SIGTERM", () => {}); export default { version: 1 };',
      {
        hosts: 1,
        timing: { stop: 1 },
      },
    );
    const [host] = service.hosts;
    process.kill(host!.pid!, 'SIGSTOP');
    await service.supervisor.stop();
    expect(isAlive(host!.pid!)).toBe(false);
  });
});

describe('a crashed host', () => {
  test('is replaced while the other one goes on', async () => {
    const service = await TestService.start({ version: 1 });
    const [first] = service.hosts;
    const socket = path.join(service.supervisor.runtimeDir, `${first!.id}.sock`);
    fs.writeFileSync(socket, '');
    process.kill(first!.pid!, 'SIGKILL');
    await service.until(() => !service.hosts.some(({ id }) => id === first!.id));
    expect(fs.existsSync(socket)).toBe(false);
    expect(await service.get()).toMatchObject({ version: 1 });
    await service.until(() => service.hosts.filter(({ state }) => state === 'up').length === 2);
    expect(service.hosts.map(({ id }) => id).sort()).toEqual(
      ['h1', 'h2', 'h3'].filter((id) => id !== first!.id),
    );
    expect(service.supervisor.restarts).toBe(1);
  });

  test('is named at once to those that are left, and to the next one', async () => {
    const service = await TestService.start({ version: 1 });
    const [first, other] = service.hosts;
    process.kill(first!.pid!, 'SIGKILL');
    for (const id of [other!.id, 'h3'])
      await service.until(() => service.lines.includes(`${id} | gone: ${first!.id}`));
  });

  test('comes back later each time it crashes in a row, up to a limit', async () => {
    const service = await TestService.start(
      { version: 1 },
      { hosts: 1, timing: { backoff: 10, backoffMax: 35 } },
    );
    for (let crash = 1; crash <= 4; crash++) {
      const { id } = service.hosts[0]!;
      process.kill(service.hosts[0]!.pid!, 'SIGKILL');
      await service.until(() => service.hosts.some((host) => host.state === 'up' && host.id !== id));
    }
    const delays = service.logged.map(({ delayMs }) => delayMs).filter((delay) => delay !== undefined);
    expect(delays).toEqual([10, 20, 35, 35]);
  });

  test('that ran long enough comes back fast again', async () => {
    const service = await TestService.start({ version: 1 }, { hosts: 1, timing: { backoff: 10, stable: 0 } });
    for (let crash = 1; crash <= 3; crash++) {
      const { id } = service.hosts[0]!;
      process.kill(service.hosts[0]!.pid!, 'SIGKILL');
      await service.until(() => service.hosts.some((host) => host.state === 'up' && host.id !== id));
    }
    expect(service.logged.map(({ delayMs }) => delayMs).filter((delay) => delay !== undefined)).toEqual([
      10, 10, 10,
    ]);
  });

  test('leaves connections waiting in the queue of the port, not refused', async () => {
    const service = await TestService.start({ version: 1 }, { hosts: 1 });
    const { id, pid } = service.hosts[0]!;
    process.kill(pid!, 'SIGKILL');
    await service.until(() => !service.hosts.some((host) => host.id === id));
    expect(await service.get()).toMatchObject({ id: 'h2' });
  });

  test('that has not started yet does not keep the service from ending', async () => {
    const flag = path.join(tempDir(), 'hang');
    const app = `import fs from 'node:fs';
      export default { version: 1, hangs: fs.existsSync(${JSON.stringify(flag)}) };`;
    const service = await TestService.start(app, { hosts: 1 });
    fs.writeFileSync(flag, '');
    process.kill(service.hosts[0]!.pid!, 'SIGKILL');
    await service.until(() => service.hosts[0]?.state === 'starting');
    const { pid } = service.hosts[0]!;
    await service.supervisor.stop(600_000);
    expect(isAlive(pid!)).toBe(false);
  });

  test('is not replaced when it crashes while the service ends', async () => {
    const service = await TestService.start({ version: 1 }, { hosts: 1, timing: { backoff: 1 } });
    process.kill(service.hosts[0]!.pid!, 'SIGKILL');
    await service.supervisor.stop();
    expect(service.hosts).toEqual([]);
  });
});

describe('while the store is away', () => {
  const errors = new URL('../../server/src/errors.ts', import.meta.url).href;

  test('a start is tried again, with a message', async () => {
    const flag = path.join(tempDir(), 'store-is-there');
    const code = `
      import fs from 'node:fs';
      import { storeUnavailable } from ${JSON.stringify(errors)};
      if (!fs.existsSync(${JSON.stringify(flag)})) {
        fs.writeFileSync(${JSON.stringify(flag)}, '');
        throw storeUnavailable({ url: 'redis://h', reason: 'refused' });
      }
      export default { version: 1 };`;
    const service = await TestService.start(code, { hosts: 1, timing: { backoffMax: 20 } });
    expect(await service.get()).toMatchObject({ version: 1 });
    expect(service.logged).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        msg: expect.stringContaining('redis://h cannot be reached: refused'),
      }),
    );
  });
});

describe('a drained host', () => {
  test('is ended once another one has its place', async () => {
    const service = await TestService.start({ version: 1 }, { hosts: 1 });
    await service.post('/drained');
    await service.until(() => service.hosts.some(({ id, state }) => id === 'h2' && state === 'up'));
    await service.until(() => service.hosts.length === 1);
    expect(service.lines).toContain('h1 | bye');
    expect(await service.get()).toMatchObject({ id: 'h2' });
  });

  test('that has rooms left stays until they end, beside the one that took its place', async () => {
    const service = await TestService.start({ version: 1, immovable: ['a'] }, { hosts: 1 });
    await service.post('/rooms/a');
    expect(await service.post('/drained')).toMatchObject({ refused: [{ roomId: 'a' }] });
    await service.until(() => service.hosts.some(({ id, state }) => id === 'h2' && state === 'up'));
    expect(service.hosts.map(({ id, state }) => `${id} ${state}`)).toEqual(['h1 draining', 'h2 up']);
    fs.rmSync(path.join(service.supervisor.runtimeDir, 'rooms', 'a'));
    await service.until(() => service.hosts.length === 1);
    expect(service.lines).toContain('h1 | bye');
  });
});

describe('a start fails', () => {
  test('when the port is in use', async () => {
    const other = net.createServer().listen(0, '127.0.0.1');
    atEnd(() => other.close());
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as net.AddressInfo;
    await expect(TestService.start({ version: 1 }, { port })).rejects.toMatchObject({
      code: 'BATON_PORT_IN_USE',
      message: expect.stringContaining(`Port ${port} is already in use`),
    });
  });

  test('when a service runs on the port', async () => {
    const service = await TestService.start({ version: 1 }, { hosts: 1 });
    const { port } = service.supervisor;
    await expect(TestService.start({ version: 1 }, { port })).rejects.toMatchObject({
      code: 'BATON_PORT_IN_USE',
    });
    expect(await service.get()).toMatchObject({ id: 'h1' });
  });

  test.each([
    [{ host: 'example' }, '--host: "example" is not an IP address'],
    [{ host: '192.0.2.1' }, '--host: 192.0.2.1 is no address of this machine'],
    [{ port: 70_000 }, '--port: 70000 is not a port number'],
    [{ hosts: 0 }, '--hosts: 0 is not a whole number from 1 to 256'],
    [
      { store: { kind: 'redis' as const, url: 'localhost' } },
      '--redis: expected a URL like redis://127.0.0.1:6379',
    ],
    [{ runtimeDir: `/tmp/${'x'.repeat(100)}` }, 'too long for Unix sockets'],
  ])('on %j', async (options, message) => {
    await expect(TestService.start({ version: 1 }, options)).rejects.toMatchObject({
      code: 'BATON_INVALID_OPTION',
      message: expect.stringContaining(message),
    });
  });

  test('when the runtime directory is a link', async () => {
    const dir = tempDir();
    fs.symlinkSync(dir, path.join(dir, 'link'));
    await expect(
      TestService.start({ version: 1 }, { runtimeDir: path.join(dir, 'link') }),
    ).rejects.toMatchObject({
      code: 'BATON_RUNTIME_DIR_UNSAFE',
    });
  });

  test('with the error of a host, and leaves nothing behind', async () => {
    const dir = tempDir();
    const lines: string[] = [];
    const options = {
      app: writeApp(dir, 'throw new Error("no luck");'),
      port: 0,
      runtimeDir: path.join(dir, 'run'),
      program: fixtureProgram,
      onLine: ({ text }: { text: string }) => void lines.push(text),
    };
    await expect(Supervisor.start(options)).rejects.toMatchObject({
      code: 'BATON_APP_FAILED',
      message: expect.stringContaining('no luck'),
    });
    expect(lines).toContain('Error: no luck');
    expect(await findService({ runtimeDir: options.runtimeDir })).toBeUndefined();
  });

  test('with the last words of a host that just ends', async () => {
    const code = 'console.error("Error: out of luck"); process.exit(7);';
    await expect(TestService.start(code)).rejects.toMatchObject({
      code: 'BATON_HOST_FAILED',
      message: expect.stringMatching(/exited with code 7 before it was ready: Error: out of luck/),
    });
  });

  test('when a host is not ready in time', async () => {
    await expect(
      TestService.start({ version: 1, hangs: true }, { timing: { ready: 1500 } }),
    ).rejects.toMatchObject({
      code: 'BATON_HOST_FAILED',
      message: expect.stringContaining('not ready within 1500 ms'),
    });
  });

  test('when it is called off', async () => {
    const dir = tempDir();
    const abort = new AbortController();
    const starting = Supervisor.start(
      {
        app: writeApp(dir, { version: 1, hangs: true }),
        port: 0,
        runtimeDir: path.join(dir, 'run'),
        program: fixtureProgram,
        onLine: () => abort.abort(),
      },
      abort.signal,
    );
    await expect(starting).rejects.toMatchObject({ code: 'BATON_STOPPING' });
  });
});
