// Hosts that report to each other over one presence, and viewers of one of them.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { EventSink, Principal, RoomView } from '../../server/src/control/index.ts';
import { bounded, REPORT_CHANNEL, type SocketRow } from '../../server/src/dashboard/report.ts';
import { Rows } from '../../server/src/dashboard/rows.ts';
import { Watch } from '../../server/src/dashboard/watch.ts';
import type { HostRecord } from '../../server/src/store/index.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';
import { SCOPES, type Scope } from '../../server/src/tenants/index.ts';
import { type Backend, embeddedBackend, type Space } from '../store/backend.ts';
import { host, LONG } from '../store/support.ts';
import { until } from '../support/service.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await embeddedBackend();
});
afterAll(() => backend.close());

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Any number of hosts on one store. */
class House {
  /** Reports so far. */
  reports = 0;
  private readonly space: Space;

  private constructor(space: Space) {
    this.space = space;
  }

  static async open(): Promise<House> {
    const house = new House(await backend.space());
    const listener = await house.space.open();
    await listener.presence.subscribe(REPORT_CHANNEL, () => void house.reports++);
    return house;
  }

  async host(rooms: RoomView[] = []) {
    const store = await this.space.open();
    const record: HostRecord = host(await store.nextHostId());
    await store.putHost(record, LONG);
    const sockets: any[] = [];
    const watch = new Watch({
      store,
      log: silentLog,
      self: () => record,
      rooms: () => rooms,
      sockets: () => sockets,
      epoch: () => 1,
      tenants: { list: () => ['acme', 'default'] } as any,
      mappings: { onChange: () => () => {}, list: (tenant: string) => [{ name: `of-${tenant}` }] } as any,
      deadLetters: { newest: async (tenant) => [{ number: 1, tenant, body: 'c2VjcmV0' }] },
    });
    await watch.start();
    ends.push(() => watch.stop());
    return { watch, rooms, sockets, store };
  }
}

const room = (roomId: string, more: Partial<RoomView> = {}): RoomView => ({
  ...{ roomId, name: 'arena', host: '', epoch: 1, clients: 0, moves: 0, locked: false },
  ...more,
});

const socket = (roomId: string, tenant = 'default', more: object = {}) => ({
  ...{ roomId, mapping: { tenant, name: 'duel', version: 1 }, playerId: `of-${roomId}`, status: 'open' },
  ...{ peers: [], openedAt: 5, speech: 'baton.v1', gone: false, away: false, absent: false },
  ...more,
});

const principal = (scopes: readonly Scope[] = SCOPES, tenant = 'default', operator = true): Principal => ({
  ...{ tenant, operator, scopes: new Set(scopes), key: operator ? 'service' : 'k1' },
});

/** A viewer that notes what it is told. */
class Viewer implements EventSink {
  ready = true;
  beats = 0;
  readonly events: { event: string; data: any }[] = [];
  readonly closed: Promise<void>;
  leave!: () => void;

  constructor() {
    this.closed = new Promise((resolve) => {
      this.leave = resolve;
    });
  }

  send(event: string, data: string): void {
    this.events.push({ event, data: JSON.parse(data) });
  }
  beat(): void {
    this.beats++;
  }
  end(event = 'end', data = '{}'): void {
    this.send(event, data);
    this.leave();
  }

  names(): string[] {
    return this.events.map(({ event }) => event);
  }
  get snapshot(): any {
    return this.events.find(({ event }) => event === 'snapshot')!.data;
  }
  async have(what: (data: any) => boolean): Promise<any> {
    const find = () => this.events.find(({ data }) => what(data));
    await until(() => find() !== undefined, 'an event');
    return find()!.data;
  }
}

async function view(watch: Watch, by = principal()): Promise<Viewer> {
  const viewer = new Viewer();
  const done = watch.watch(by, () => viewer);
  ends.push(() => {
    viewer.leave();
    return done;
  });
  await Promise.race([done, until(() => viewer.events.length > 0, 'a snapshot')]);
  return viewer;
}

describe('a viewer', () => {
  test('sees all hosts at once, then what changes on any of them', async () => {
    const house = await House.open();
    const one = await house.host([room('a')]);
    const two = await house.host([room('b')]);
    const viewer = await view(one.watch);
    expect(viewer.snapshot.hosts.map(({ id }: any) => id)).toEqual(['h1', 'h2']);
    expect(viewer.snapshot.rooms.map(({ roomId, host }: any) => [roomId, host])).toEqual([
      ['a', 'h1'],
      ['b', 'h2'],
    ]);
    two.rooms.push(room('c'));
    two.rooms[0] = room('b', { clients: 3 });
    const { rooms } = await viewer.have(({ rooms }) => rooms?.changed);
    expect(rooms.changed.map(({ roomId, clients }: any) => [roomId, clients])).toEqual([
      ['b', 3],
      ['c', 0],
    ]);
    two.rooms.length = 0;
    const gone = await viewer.have(({ rooms }) => rooms?.gone?.length > 0);
    expect(gone.rooms.gone.sort()).toEqual(['b', 'c']);
    expect(viewer.names().filter((name) => name === 'snapshot')).toHaveLength(1);
  });

  test('hosts report nothing before there is one, and stop when it has gone', async () => {
    const house = await House.open();
    const { watch } = await house.host();
    await sleep(1_200);
    expect(house.reports).toBe(0);
    const viewer = await view(watch);
    await until(() => house.reports >= 2, 'reports');
    viewer.leave();
    let before = -1;
    // none of a whole look means none at all: they come once a second
    await until(async () => {
      before = house.reports;
      await sleep(1_500);
      return before === house.reports;
    }, 'the hosts to rest');
  }, 30_000);

  test('that is slow is told nothing, and everything once it has caught up', async () => {
    const house = await House.open();
    const { watch, rooms } = await house.host();
    const [slow, quick] = [await view(watch), await view(watch)];
    slow.ready = false;
    const before = slow.names();
    for (let i = 0; i < 50; i++) rooms.push(room(`r${i}`));
    await quick.have(({ rooms }) => rooms?.changed?.length === 50);
    expect(slow.names()).toEqual(before);
    slow.ready = true;
    await until(() => slow.events.length > before.length, 'the slow one to be told');
    expect(slow.events[before.length]).toMatchObject({ event: 'snapshot', data: { rooms: { length: 50 } } });
  });

  test('of a host that leaves is told so, and comes back to another', async () => {
    const house = await House.open();
    const one = await house.host();
    const two = await house.host();
    const [first, second] = [await view(one.watch), await view(two.watch)];
    await one.watch.stop();
    expect(first.names().at(-1)).toBe('leaving');
    const { hosts } = await second.have(({ hosts }) => hosts?.length === 1);
    expect(hosts[0].id).toBe('h2');
  });

  test('what got lost between hosts is asked for again', async () => {
    const house = await House.open();
    const one = await house.host();
    const two = await house.host();
    const viewer = await view(one.watch);
    const { presence } = two.store;
    const publish = presence.publish.bind(presence);
    let lost = 0;
    presence.publish = async (topic: string, message: unknown) => {
      if (topic !== REPORT_CHANNEL || lost++ > 0) return publish(topic, message);
    };
    two.rooms.push(room('missed'));
    await until(() => lost > 1, 'a report to get lost');
    const { rooms } = await viewer.have(({ rooms }) => rooms?.changed?.length > 0);
    expect(rooms.changed[0].roomId).toBe('missed');
  });
});

describe('what a key may see', () => {
  const watched = async () => {
    const { watch, sockets } = await (await House.open()).host([room('a')]);
    sockets.push(
      socket('mine', 'acme', { status: 'waiting' }),
      socket('other'),
      socket('linked', 'acme', { status: 'linked', peers: ['p1'], link: { id: 'L' } }),
    );
    return watch;
  };

  test('is its own tenant’s', async () => {
    const { snapshot } = await view(await watched(), principal(SCOPES, 'acme', false));
    expect(snapshot.sockets.map(({ socketId }: any) => socketId)).toEqual(['mine', 'linked']);
    expect(snapshot.socketCount).toBe(2);
    expect(snapshot.queues).toEqual([
      expect.objectContaining({ mapping: 'duel', sockets: 2, waiting: 1, linked: 1, oldest: 5 }),
    ]);
    expect(snapshot.mappings).toEqual([{ name: 'of-acme' }]);
    expect(snapshot.deadLetters).toEqual([{ number: 1, tenant: 'acme' }]);
    for (const part of ['hosts', 'rooms', 'moves', 'blackouts', 'tenants'])
      expect([part, snapshot[part]]).toEqual([part, undefined]);
  });

  test.each([
    [[], []],
    [['sockets:read'], ['queues', 'socketCount', 'sockets']],
    [['mappings:read'], ['calls', 'mappings']],
    [['dead-letters:read'], ['deadLetters']],
    [['hosts:read'], []],
  ] as [Scope[], string[]][])('is what %p shows', async (scopes, parts) => {
    const watch = await watched();
    const { snapshot } = await view(watch, principal(scopes, 'acme', false));
    expect(Object.keys(snapshot).sort()).toEqual(['at', 'you', ...parts].sort());
    expect(snapshot.you).toEqual({ tenant: 'acme', operator: false, key: 'k1', scopes });
    expect(Object.keys(await watch.look(principal(scopes, 'acme', false))).sort()).toEqual(
      Object.keys(snapshot).sort(),
    );
  });

  test('the token of the metrics sees hosts and rooms', async () => {
    const { snapshot } = await view(await watched(), principal(['hosts:read']));
    expect(snapshot.rooms).toHaveLength(1);
    expect(snapshot.sockets).toBeUndefined();
  });
});

describe('viewers', () => {
  const by = (tenant: string, key: string): Principal => ({ ...principal(SCOPES, tenant, false), key });
  const refused = (limit: number) => ({ code: 'BATON_TOO_MANY_VIEWERS', status: 429, details: { limit } });
  const watched = async () => (await (await House.open()).host()).watch;

  test('of a key are so many, those that still wait for the first reports among them', async () => {
    const watch = await watched();
    const waiting = Array.from({ length: 8 }, () => view(watch, by('acme', 'k1')));
    await expect(watch.look(by('acme', 'k1'))).rejects.toMatchObject(refused(8));
    await Promise.all(waiting);
    await expect(watch.look(by('acme', 'k1'))).rejects.toMatchObject(refused(8));
    await watch.look(by('acme', 'k2'));
  });

  test('of a tenant are so many, whichever keys they have', async () => {
    const watch = await watched();
    for (let i = 0; i < 16; i++) await view(watch, by('acme', `k${i}`));
    await expect(watch.look(by('acme', 'k16'))).rejects.toMatchObject(refused(16));
    await watch.look(by('other', 'k1'));
  });

  test('of all tenants leave room for the operator, up to what a host has', async () => {
    const watch = await watched();
    for (let i = 0; i < 48; i++) await view(watch, by(`t${i % 4}`, `k${i}`));
    await expect(watch.look(by('t5', 'k'))).rejects.toMatchObject(refused(48));
    for (let i = 48; i < 64; i++) await view(watch);
    await expect(watch.watch(principal(), () => new Viewer())).rejects.toMatchObject(refused(64));
  });
});

describe('sockets that a host tells of', () => {
  const of = (tenant: string, count: number): SocketRow[] =>
    Array.from({ length: count }, (_, i) => [
      ...([
        `${tenant}${i}`,
        tenant,
        'duel',
        1,
        '',
        'open',
        '',
        '',
        '',
        '',
        1,
        0,
        0,
        'baton.v1',
        false,
      ] as const),
    ]);
  const told = (...rows: SocketRow[][]) => {
    const counts: Record<string, number> = {};
    for (const [, tenant] of bounded(rows.flat())) counts[tenant] = (counts[tenant] ?? 0) + 1;
    return counts;
  };

  test('are the first 10,000 of a tenant, and do not hide those of others', () => {
    expect(told(of('a', 10_100), of('b', 10_000))).toEqual({ a: 10_000, b: 10_000 });
    expect(bounded(of('a', 10_001)).at(-1)![0]).toBe('a9999');
  });

  test('are 20,000 at most, and less of those tenants that have the most', () => {
    expect(told(of('a', 30_000), of('b', 9_000), of('c', 9_000), of('d', 1_000), of('e', 3))).toEqual({
      ...{ a: 6_332, b: 6_332, c: 6_332, d: 1_000, e: 3 },
    });
  });

  test('of one tenant are told beside many of another', async () => {
    const { watch, sockets } = await (await House.open()).host();
    for (let i = 0; i < 10_000; i++) sockets.push(socket(`s${i}`));
    sockets.push(socket('last', 'acme'));
    const viewer = await view(watch, principal(SCOPES, 'acme', false));
    // they come in pieces, the later ones perhaps after the snapshot
    const list = (data: any) => data.sockets?.changed ?? data.sockets ?? [];
    const told = list(await viewer.have((data) => list(data).length > 0));
    expect(told.map(({ socketId }: any) => socketId)).toEqual(['last']);
  });
});

describe('rows of several hosts', () => {
  type Row = [id: string, epoch: number, group: string];
  const rows = (most = 10) =>
    new Rows<Row>({ epoch: ([, epoch]) => epoch, group: ([, , group]) => group, most });
  const put = (list: Rows<Row>, host: string, ...changed: Row[]) => list.apply(host, { changed, gone: [] });

  test('a room that two hosts have is where its epoch is later', () => {
    const list = rows();
    put(list, 'h1', ['a', 1, '']);
    put(list, 'h2', ['a', 2, '']);
    put(list, 'h1', ['a', 1, '']);
    expect(list.of('')).toEqual([expect.objectContaining({ host: 'h2' })]);
    list.apply('h1', { changed: [], gone: ['a'] });
    list.sweep();
    expect(list.of('')).toHaveLength(1);
  });

  test('a room that no host has is there for a moment: it may be on its way', async () => {
    const list = rows();
    put(list, 'h1', ['a', 1, ''], ['b', 1, '']);
    list.changes();
    list.apply('h1', { changed: [], gone: ['a', 'b'] });
    put(list, 'h2', ['a', 2, '']);
    list.sweep();
    expect(list.changes().get('')).toMatchObject({ changed: [{ host: 'h2' }], gone: [] });
    await sleep(1_600);
    list.sweep();
    expect(list.changes().get('')).toEqual({ changed: [], gone: ['b'] });
    expect(list.of('').map(({ row }) => row[0])).toEqual(['a']);
  });

  test('of one group there are so many', () => {
    const list = rows(2);
    put(list, 'h1', ['a', 1, 'x'], ['b', 1, 'x'], ['c', 1, 'x'], ['d', 1, 'y']);
    expect(list.of('x')).toHaveLength(2);
    expect(list.of('y')).toHaveLength(1);
  });
});
