import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { HostStatus } from '../../server/src/supervisor/index.ts';
import { atEnd, cleanUp, isAlive, TestService, tempDir, writeApp } from './service.ts';

afterEach(cleanUp);

const idsOf = (hosts: HostStatus[]) => hosts.map(({ id }) => id!).sort();
const roomFile = (service: TestService, roomId: string) =>
  path.join(service.supervisor.runtimeDir, 'rooms', roomId);

describe('reload', () => {
  test('brings new code into service, and every request meanwhile is answered', async () => {
    const service = await TestService.start({ version: 1 });
    for (const roomId of ['a', 'b', 'c']) await service.post(`/rooms/${roomId}`);
    const old = service.hosts;
    writeApp(service.dir, { version: 2 });

    let reloading = true;
    const versions: number[] = [];
    const asking = (async () => {
      while (reloading) versions.push((await service.get()).version);
    })();
    const result = await service.supervisor.reload();
    await service.until(() => service.hosts.length === 2);
    reloading = false;
    await asking;

    expect(result).toEqual({
      generation: 2,
      from: idsOf(old),
      to: idsOf(service.hosts),
      rooms: 3,
      moved: 3,
      refused: [],
      seconds: expect.any(Number),
    });
    expect(new Set(versions)).toEqual(new Set([1, 2]));
    expect(await service.get()).toMatchObject({ version: 2, generation: 2 });
    expect(old.filter(({ pid }) => isAlive(pid!))).toEqual([]);
    const { rooms } = await service.get('/v1/rooms');
    expect(rooms.map(({ host }: { host: string }) => result.to.includes(host))).toEqual([true, true, true]);
  });

  test('asked of a host that is replaced by it still gets its answer', async () => {
    const service = await TestService.start({ version: 1 });
    writeApp(service.dir, { version: 2 });
    expect(await service.post('/v1/reload')).toMatchObject({ generation: 2, refused: [] });
  });

  test('while another one runs is refused', async () => {
    const service = await TestService.start({ version: 1 }, { hosts: 1 });
    const first = service.supervisor.reload();
    await expect(service.supervisor.reload()).rejects.toMatchObject({ code: 'BATON_RELOAD_IN_PROGRESS' });
    expect(await first).toMatchObject({ generation: 2 });
    expect(await service.supervisor.reload()).toMatchObject({ generation: 3 });
  });

  test('replaces hosts that are restarted after a crash by the new code only', async () => {
    const service = await TestService.start({ version: 1 }, { hosts: 1 });
    writeApp(service.dir, { version: 2 });
    await service.supervisor.reload();
    await service.until(() => service.hosts.length === 1);
    process.kill(service.hosts[0]!.pid!, 'SIGKILL');
    await service.until(() => service.hosts.some(({ id, state }) => id === 'h3' && state === 'up'));
    expect(await service.get()).toMatchObject({ id: 'h3', version: 2, generation: 2 });
  });
});

describe('the old hosts go on', () => {
  async function failingReload(service: TestService, reason: string): Promise<void> {
    const before = idsOf(service.hosts);
    await expect(service.supervisor.reload()).rejects.toMatchObject({
      code: 'BATON_RELOAD_FAILED',
      message: expect.stringContaining(reason),
    });
    await service.until(() => service.hosts.length === before.length);
    expect(idsOf(service.hosts)).toEqual(before);
    expect(service.hosts.every(({ state }) => state === 'up')).toBe(true);
    const { hosts } = await service.get('/v1/hosts');
    expect(hosts.map(({ state }: { state: string }) => state)).toEqual(before.map(() => 'up'));
    expect(await service.get()).toMatchObject({ version: 1, generation: 1 });
  }

  test('when the new code throws; the next reload works', async () => {
    const service = await TestService.start({ version: 1 });
    writeApp(service.dir, 'throw new Error("no luck");');
    await failingReload(service, 'no luck');
    writeApp(service.dir, { version: 3 });
    expect(await service.supervisor.reload()).toMatchObject({ generation: 3 });
    await service.until(() => service.hosts.length === 2); // the old ones answer until they are gone
    expect(await service.get()).toMatchObject({ version: 3 });
  });

  test('when the new code ends its process', async () => {
    const service = await TestService.start({ version: 1 }, { hosts: 1 });
    writeApp(service.dir, 'process.exit(3);');
    await failingReload(service, 'exited with code 3');
  });

  test('when the new code does not get ready in time', async () => {
    const service = await TestService.start({ version: 1 }, { hosts: 1, timing: { ready: 2500 } });
    writeApp(service.dir, { version: 2, hangs: true });
    await failingReload(service, 'not ready within 2500 ms');
  });

  test('when a room fails the check for movability', async () => {
    const service = await TestService.start({ version: 1, checkFails: ['a'] });
    await service.post('/rooms/a');
    await failingReload(service, 'Room a cannot move: a closure');
  });

  test('when the first rooms refuse to move', async () => {
    const service = await TestService.start({ version: 1, immovable: ['a'] }, { hosts: 1 });
    await service.post('/rooms/a');
    await failingReload(service, 'it holds on to its place');
    expect(JSON.parse(fs.readFileSync(roomFile(service, 'a'), 'utf8'))).toEqual({ host: 'h1', epoch: 1 });
  });

  test('when a drain fails on the way, and its host is not known to have ended it', async () => {
    const service = await TestService.start(
      new Gates().app(`export default {
        version: 1, beforeDrain: async () => { if (generation === 1) throw new Error('lost'); }
      };`),
    );
    await failingReload(service, 'The request failed inside the service');
  });

  test('when told so over the API', async () => {
    const service = await TestService.start({ version: 1 }, { hosts: 1 });
    writeApp(service.dir, 'throw new Error("no luck");');
    const response = await service.fetch('/v1/reload', { method: 'POST' });
    expect(response.status).toBe(500);
    expect(response.headers.get('content-type')).toContain('application/problem+json');
    expect(await response.json()).toMatchObject({
      code: 'BATON_RELOAD_FAILED',
      details: { code: 'BATON_APP_FAILED' },
    });
  });
});

/** Code of an app whose parts wait until the test opens a gate of that name. */
class Gates {
  readonly #dir = tempDir();
  readonly open = (name: string) => fs.writeFileSync(path.join(this.#dir, name), '');

  constructor() {
    // a host that still waits at its end would stay
    atEnd(() => fs.existsSync(this.#dir) && this.open('end'));
  }

  app(body: string): string {
    return `
      import fs from 'node:fs';
      import { setTimeout as wait } from 'node:timers/promises';
      const isOpen = (name) => fs.existsSync(${JSON.stringify(this.#dir)} + '/' + name);
      const opened = async (name) => { while (!isOpen(name)) await wait(10); };
      const { generation } = JSON.parse(process.env.BATON_HOST);
      ${body}`;
  }
}

const states = (service: TestService) =>
  service.hosts.map(({ id, state, generation }) => `${id ?? 'new'} ${state} of ${generation}`);

describe('until rooms are known to be able to move', () => {
  test('new hosts are in standby: nobody begins to play there', async () => {
    const gates = new Gates();
    const service = await TestService.start(
      gates.app("export default { version: 1, beforeCheck: () => opened('check') };"),
      { hosts: 1 },
    );
    const reload = service.supervisor.reload();
    await service.until(() => states(service).includes('h2 standby of 2'));
    const { hosts } = await service.get('/v1/hosts');
    expect(hosts.map(({ id, state }: HostStatus) => `${id} ${state}`).sort()).toEqual([
      'h1 up',
      'h2 standby',
    ]);
    gates.open('check');
    expect(await reload).toMatchObject({ to: ['h2'] });
    expect((await service.get('/v1/hosts')).hosts).toContainEqual(
      expect.objectContaining({ id: 'h2', state: 'up' }),
    );
  });

  test('the end of the service ends the check, too, and leaves no host', async () => {
    const gates = new Gates();
    const service = await TestService.start(
      gates.app(`export default {
        version: 1, beforeCheck: () => { console.log('checking'); return opened('check'); }
      };`),
    );
    const failure = expect(service.supervisor.reload()).rejects.toMatchObject({ code: 'BATON_STOPPING' });
    await service.until(() => service.lines.filter((line) => line.endsWith('checking')).length === 2);
    await service.supervisor.stop();
    await failure;
    expect(service.hosts).toEqual([]);
  });

  test('rooms that began on the new code after all keep its hosts until they end', async () => {
    const gates = new Gates();
    const service = await TestService.start(
      gates.app(`export default {
        version: 1, immovable: ['old', 'new'], beforeDrain: () => opened('drain')
      };`),
      { hosts: 1 },
    );
    await service.post('/rooms/old');
    const failure = expect(service.supervisor.reload()).rejects.toMatchObject({
      code: 'BATON_RELOAD_FAILED',
      details: { code: 'BATON_ROOM_IMMOVABLE', refused: [{ roomId: 'old' }] },
    });
    await service.until(() => states(service).includes('h1 draining of 1'));
    fs.writeFileSync(roomFile(service, 'new'), JSON.stringify({ host: 'h2', epoch: 1 }));
    gates.open('drain');
    await failure;
    await service.until(() => states(service).join() === 'h1 up of 1,h2 draining of 2');
    fs.rmSync(roomFile(service, 'new'));
    await service.until(() => states(service).join() === 'h1 up of 1');
  });
});

describe('no host of the old code stays', () => {
  const app = `
    if (generation === 1 && isOpen('crashed')) await opened('revive');
    export default { version: 1, beforeDrain: () => opened('drain') };`;

  test('that crashed and came up again while the others were drained', async () => {
    const gates = new Gates();
    const service = await TestService.start(gates.app(app));
    gates.open('crashed');
    process.kill(service.hosts[0]!.pid!, 'SIGKILL');
    await service.until(() => service.hosts.some(({ state }) => state === 'starting'));
    const reload = service.supervisor.reload();
    await service.until(() => states(service).includes('h2 draining of 1'));
    gates.open('revive');
    await service.until(
      () => service.hosts.filter(({ state, generation }) => state === 'up' && generation === 1).length === 1,
    );
    gates.open('drain');
    expect(await reload).toMatchObject({ from: ['h2'] });
    await service.until(() => service.hosts.length === 2);
    expect(service.hosts.every(({ generation }) => generation === 2)).toBe(true);
  });

  test('that was drained and whose replacement is not up yet', async () => {
    const gates = new Gates();
    const service = await TestService.start(gates.app(app), { hosts: 1 });
    gates.open('crashed');
    gates.open('drain');
    await service.post('/drained');
    await service.until(() => states(service).includes('new starting of 1'));
    await service.supervisor.reload();
    await service.until(() => service.hosts.length === 1);
    expect(service.hosts[0]).toMatchObject({ generation: 2, state: 'up' });
  });
});

describe('rooms that stay behind', () => {
  test('are let stay by keepImmovable, when the check would have called the reload off', async () => {
    const service = await TestService.start(
      { version: 1, immovable: ['a'], checkFails: ['a'] },
      { hosts: 1 },
    );
    await service.post('/rooms/a');
    await expect(service.supervisor.reload()).rejects.toMatchObject({ code: 'BATON_RELOAD_FAILED' });
    await service.until(() => service.hosts.length === 1);
    expect(await service.post('/v1/reload', { keepImmovable: true })).toMatchObject({
      rooms: 1,
      moved: 0,
      refused: [{ roomId: 'a', code: 'BATON_ROOM_IMMOVABLE' }],
    });
    expect(states(service)).toEqual(['h1 draining of 1', 'h3 up of 3']);
    fs.rmSync(roomFile(service, 'a'));
    await service.until(() => states(service).join() === 'h3 up of 3');
  });

  test('keep their old host until they end', async () => {
    const service = await TestService.start({ version: 1, immovable: ['a'] }, { hosts: 1 });
    await service.post('/rooms/a');
    await service.post('/rooms/b');
    writeApp(service.dir, { version: 2 });
    const result = await service.supervisor.reload();
    expect(result).toMatchObject({ rooms: 2, moved: 1, refused: [{ roomId: 'a' }] });
    expect(service.hosts.map(({ id, state }) => `${id} ${state}`)).toEqual(['h1 draining', 'h2 up']);
    fs.rmSync(roomFile(service, 'a'));
    await service.until(() => service.hosts.length === 1);
    expect(service.lines).toContain('h1 | bye');
  });

  test('do not keep it for ever', async () => {
    const service = await TestService.start(
      { version: 1, immovable: ['a'] },
      { hosts: 1, timing: { linger: 200 } },
    );
    await service.post('/rooms/a');
    await service.post('/rooms/b');
    await service.supervisor.reload();
    await service.until(() => service.hosts.length === 1);
    expect(service.hosts[0]).toMatchObject({ id: 'h2', state: 'up' });
  });
});

describe('a crash during a reload', () => {
  test('of an old host: the new ones take over', async () => {
    const service = await TestService.start({ version: 1 }, { timing: { backoff: 60_000 } });
    const [victim] = service.hosts;
    writeApp(service.dir, { version: 2 });
    const reload = service.supervisor.reload();
    process.kill(victim!.pid!, 'SIGKILL');
    expect(await reload).toMatchObject({ generation: 2 });
    await service.until(() => service.hosts.length === 2);
    expect(service.hosts.every(({ generation, state }) => generation === 2 && state === 'up')).toBe(true);
  });

  test('of a new host before all are ready: the old ones go on', async () => {
    const service = await TestService.start({ version: 1 });
    writeApp(service.dir, { version: 2 });
    const reload = service.supervisor.reload();
    const failure = expect(reload).rejects.toMatchObject({ code: 'BATON_RELOAD_FAILED' });
    await service.until(() => service.hosts.some(({ generation }) => generation === 2));
    process.kill(service.hosts.find(({ generation }) => generation === 2)!.pid!, 'SIGKILL');
    await failure;
    await service.until(() => service.hosts.length === 2);
    expect(service.hosts.every(({ generation, state }) => generation === 1 && state === 'up')).toBe(true);
  });

  test('the end of the service ends a reload', async () => {
    const service = await TestService.start({ version: 1 }, { hosts: 1 });
    const reload = service.supervisor.reload();
    const failure = expect(reload).rejects.toMatchObject({ code: 'BATON_STOPPING' });
    await service.supervisor.stop();
    await failure;
    expect(service.hosts).toEqual([]);
  });
});
