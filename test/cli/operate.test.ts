import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { exitCodeOf } from '../../server/src/cli/output.ts';
import { serviceTimeout } from '../../server/src/errors.ts';
import { atEnd, cleanUp, isAlive, nodeArgs, TestService, tempDir } from '../supervisor/service.ts';
import { baton, CommandLine, commandLine } from './command-line.ts';

let service: TestService;
let at: string[];

beforeAll(async () => {
  service = await TestService.start({ version: 1, immovable: ['stays'] });
  at = ['--runtime-dir', service.supervisor.runtimeDir, '--json'];
});
afterAll(cleanUp);
afterEach(() => {
  fs.rmSync(path.join(service.supervisor.runtimeDir, 'rooms'), { recursive: true, force: true });
});

const newRoom = async (roomId: string): Promise<string> => (await service.post(`/rooms/${roomId}`)).host;
const otherThan = (host: string) => service.hosts.find(({ id }) => id !== host)!.id!;

describe('status', () => {
  test('--json', async () => {
    const host = await newRoom('a');
    const { code, json, stdout } = await baton(['status', ...at]);
    expect(code).toBe(0);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(json).toMatchObject({
      url: service.supervisor.url,
      rooms: [{ roomId: 'a', name: 'fixture', host, epoch: 1, clients: 0 }],
      totals: { hosts: 2, rooms: 1, clients: 0 },
    });
    expect(json.hosts.map(({ id }: { id: string }) => id).sort()).toEqual(['h1', 'h2']);
    expect(json.hosts[0]).toMatchObject({ state: 'up', generation: 1, pid: expect.any(Number) });
  });

  test('--json reaches a slow reader as a whole', async () => {
    const host = await newRoom('first');
    const dir = path.join(service.supervisor.runtimeDir, 'rooms');
    for (let i = 0; i < 1500; i++)
      fs.writeFileSync(path.join(dir, `${'r'.repeat(120)}${i}`), JSON.stringify({ host, epoch: 1 }));
    const pipe = 'program=$1; shift; "$program" "$@" | { sleep 1; cat; }';
    const { json, stdout } = await new CommandLine([...nodeArgs, commandLine, 'status', ...at], {
      launcherOf: '/bin/sh',
      command: ['-c', pipe, 'sh', process.execPath],
    }).outcome;
    expect(stdout.length).toBeGreaterThan(200_000);
    expect(json.totals.rooms).toBe(1501);
  });

  test('for people', async () => {
    const host = await newRoom('a');
    const { stdout } = await baton([
      'status',
      '--url',
      service.supervisor.url,
      '--token',
      service.supervisor.token,
    ]);
    expect(stdout).toContain('2 hosts, 1 rooms, 0 clients');
    expect(stdout).toMatch(/^HOST +PID +STATE +GEN +ROOMS +CLIENTS +CPU +MEMORY +MOVES$/m);
    expect(stdout).toMatch(new RegExp(`^a +fixture +${host} +1 +0$`, 'm'));
  });

  test('finds the service by BATON_URL and BATON_CONTROL_TOKEN', async () => {
    const env = { BATON_URL: service.supervisor.url, BATON_CONTROL_TOKEN: service.supervisor.token };
    expect((await baton(['status', '--json'], env)).json.totals).toEqual({ hosts: 2, rooms: 0, clients: 0 });
  });
});

describe('migrate', () => {
  test('takes an id that looks like an option', async () => {
    const from = await newRoom('-mr1RhY4F');
    const to = from === 'h1' ? 'h2' : 'h1';
    const { code, stderr, json } = await baton(['migrate', '-mr1RhY4F', '--to', to, ...at]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(json.roomId).toBe('-mr1RhY4F');
    expect((await baton(['migrate', '-unknown', '--to', to, ...at])).code).toBe(2);
  });

  test('--json', async () => {
    const from = await newRoom('a');
    const to = otherThan(from);
    const { code, json } = await baton(['migrate', 'a', '--to', to, ...at]);
    expect(code).toBe(0);
    expect(json).toEqual({
      roomId: 'a',
      from,
      to,
      epoch: 2,
      clients: 0,
      bytes: 2,
      blackoutMs: 0.5,
      phases: { freeze: 0.5 },
    });
  });

  test('for people', async () => {
    const from = await newRoom('a');
    const to = otherThan(from);
    const { stdout } = await baton(['migrate', 'a', '--to', to, ...at.slice(0, 2)]);
    expect(stdout).toBe(`a moved from ${from} to ${to}: 0 clients, 2 B, blackout 0.5 ms\n`);
  });

  test('of an unknown room, to an unknown host, to where it is', async () => {
    const from = await newRoom('a');
    const outcomes = await Promise.all([
      baton(['migrate', 'nope', '--to', 'h1', ...at]),
      baton(['migrate', 'a', '--to', 'h99', ...at]),
      baton(['migrate', 'a', '--to', from, ...at]),
    ]);
    expect(outcomes.map(({ code, json }) => [code, json.error.code, json.error.details])).toEqual([
      [1, 'BATON_ROOM_NOT_FOUND', { roomId: 'nope' }],
      [1, 'BATON_HOST_NOT_FOUND', { host: 'h99' }],
      [1, 'BATON_MOVE_TO_SELF', { roomId: 'a', host: from }],
    ]);
    expect(outcomes[0]!.stderr).toBe('baton: There is no room nope. (BATON_ROOM_NOT_FOUND)\n');
  });
});

describe('drain', () => {
  test('--json', async () => {
    const host = await newRoom('a');
    const { code, json } = await baton(['drain', host, ...at]);
    expect(code).toBe(0);
    expect(json).toEqual({ host, rooms: 1, clients: 0, moved: 1, refused: [], seconds: expect.any(Number) });
  });

  test('for people', async () => {
    const host = await newRoom('a');
    const { stdout } = await baton(['drain', host, ...at.slice(0, 2)]);
    expect(stdout).toMatch(new RegExp(`^${host} drained: 1 of 1 rooms moved in \\d+\\.\\d\\d s\n$`));
  });

  test('with rooms that stay: names them, exit code 1', async () => {
    const host = await newRoom('stays');
    const { code, json, stderr } = await baton(['drain', host, ...at]);
    expect(code).toBe(1);
    expect(json.refused).toEqual([
      { roomId: 'stays', reason: 'it holds on to its place', code: 'BATON_ROOM_IMMOVABLE' },
    ]);
    expect(stderr).toBe('baton: stays stays: it holds on to its place\n');
  });

  test('of an unknown host', async () => {
    const { code, json } = await baton(['drain', 'h99', ...at]);
    expect(code).toBe(1);
    expect(json).toEqual({
      error: {
        code: 'BATON_HOST_NOT_FOUND',
        message: 'There is no host h99.',
        status: 404,
        details: { host: 'h99' },
      },
    });
  });
});

describe('reload', () => {
  test('--keep-immovable lets rooms stay: named, exit code 0', async () => {
    const host = await newRoom('stays');
    const { code, json, stderr } = await baton(['reload', '--keep-immovable', ...at]);
    expect(code).toBe(0);
    expect(json.refused).toMatchObject([{ roomId: 'stays', code: 'BATON_ROOM_IMMOVABLE' }]);
    expect(json.from).toContain(host);
    expect(stderr).toContain('baton: stays stays: ');
    fs.rmSync(path.join(service.supervisor.runtimeDir, 'rooms', 'stays'));
    await service.until(() => service.hosts.length === 2);
  });

  test('--json', async () => {
    const before = service.hosts;
    const { code, json } = await baton(['reload', ...at]);
    expect(code).toBe(0);
    expect(json).toEqual({
      generation: expect.any(Number),
      from: before.map(({ id }) => id).sort(),
      to: expect.any(Array),
      rooms: 0,
      moved: 0,
      refused: [],
      seconds: expect.any(Number),
    });
    await service.until(() => service.hosts.length === 2);
    expect(before.filter(({ pid }) => isAlive(pid!))).toEqual([]);
  });
});

describe('what was asked may have been done', () => {
  test('when the connection breaks before the answer: exit code 1', async () => {
    const server = http.createServer((request) => request.socket.destroy()).listen(0, '127.0.0.1');
    atEnd(() => server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const args = ['--json', '--token', 'x', '--url', url];
    for (const command of [['drain', 'h1'], ['reload'], ['migrate', 'a', '--to', 'h2']]) {
      const { code, json } = await baton([...command, ...args]);
      expect([code, json.error.code]).toEqual([1, 'BATON_SERVICE_LOST']);
    }
    expect((await baton(['status', ...args])).code).toBe(2);
  });

  test('when the answer takes too long', () => {
    expect(exitCodeOf(serviceTimeout({ method: 'POST' }))).toBe(1);
    expect(exitCodeOf(serviceTimeout({ method: 'GET' }))).toBe(2);
  });
});

describe('a service cannot be used', () => {
  const nowhere = () => ({ XDG_RUNTIME_DIR: tempDir() });

  test('when none runs', async () => {
    const { code, json, stderr } = await baton(['status', '--json'], nowhere());
    expect(code).toBe(2);
    expect(json.error.code).toBe('BATON_NO_SERVICE');
    expect(stderr).toContain('Start one with `baton start`.');
  });

  test('when nothing listens at the URL', async () => {
    const { code, stderr } = await baton(['status', '--url', 'http://127.0.0.1:9', '--token', 'x']);
    expect(code).toBe(2);
    expect(stderr).toBe(
      'baton: No Baton service answers at http://127.0.0.1:9. Start one with `baton start`. (BATON_NO_SERVICE)\n',
    );
  });

  test('when something else answers at the URL', async () => {
    const { code, json } = await baton([
      'migrate',
      'a',
      '--to',
      'b',
      '--json',
      '--token',
      'x',
      '--url',
      `${service.supervisor.url}/elsewhere`,
    ]);
    expect(code).toBe(2);
    expect(json.error).toMatchObject({
      code: 'BATON_NO_SERVICE',
      details: { reason: 'something else answers there, with status 404' },
    });
  });

  test('with a wrong token', async () => {
    const { code, json } = await baton([
      'status',
      '--json',
      '--url',
      service.supervisor.url,
      '--token',
      'wrong',
    ]);
    expect(code).toBe(2);
    expect(json.error.code).toBe('BATON_UNAUTHORIZED');
  });

  test('with no token for another machine, even if one of this machine is known', async () => {
    const base = tempDir();
    const dir = path.join(base, `baton-${process.getuid!()}`, '80');
    fs.mkdirSync(dir, { recursive: true });
    const known = {
      url: 'http://127.0.0.1:80',
      port: 80,
      token: 'x'.repeat(16),
      pid: process.pid,
      startedAt: 1,
    };
    fs.writeFileSync(path.join(dir, 'service.json'), JSON.stringify(known), { mode: 0o600 });
    const args = ['status', '--json', '--url', 'http://example.invalid'];
    const { code, json } = await baton(args, { XDG_RUNTIME_DIR: base });
    expect(code).toBe(2);
    expect(json.error.code).toBe('BATON_UNAUTHORIZED');
  });

  test('with a service file that a crash left behind', async () => {
    const dir = tempDir();
    const gone = {
      url: 'http://127.0.0.1:9',
      port: 9,
      token: 'x'.repeat(16),
      pid: 2 ** 22 + 1,
      startedAt: 1,
    };
    fs.writeFileSync(path.join(dir, 'service.json'), JSON.stringify(gone), { mode: 0o600 });
    expect((await baton(['status', '--json', '--runtime-dir', dir])).json.error).toMatchObject({
      code: 'BATON_NO_SERVICE',
      message: `No Baton service answers at ${dir}. Start one with \`baton start\`.`,
    });
  });

  test('with a service file that others could have written', async () => {
    const dir = tempDir();
    const { url, port, token } = service.supervisor;
    const file = path.join(dir, 'service.json');
    fs.writeFileSync(file, JSON.stringify({ url, port, token, pid: process.pid, startedAt: 1 }));
    fs.chmodSync(file, 0o666);
    expect((await baton(['status', '--json', '--runtime-dir', dir])).json.error.code).toBe(
      'BATON_NO_SERVICE',
    );
    fs.chmodSync(file, 0o600);
    expect((await baton(['status', '--json', '--runtime-dir', dir])).code).toBe(0);
  });
});
