// Links against a reference: whatever sockets want, one after the other and at the same time, while hosts die, rooms
// move and calls get lost, the records, the rooms and what clients were told agree with one order of events.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  linkKey,
  linkSchema,
  socketKey,
  socketSchema,
  waitingKey,
} from '../../server/src/sockets/links/records.ts';
import type { Store } from '../../server/src/store/index.ts';
import { type Backend, embeddedBackend, redisBackend } from '../store/backend.ts';
import { until } from '../store/support.ts';
import { Cluster } from './links/hosts.ts';
import { Reference, type Wished } from './links/reference.ts';

const seed = Number(process.env['BATON_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const RUNS = Number(process.env['BATON_RUNS'] ?? 40);
const IDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
const ALIASES = ['red', 'blue'];
const GROUPS = ['m1', 'm2'];

const LONG_MS = 1_000_000_000;
const BRIEF_MS = 60_000;
/** Time passes when a test says so. */
let skew = 0;
const now = Date.now.bind(Date);
Date.now = () => now() + skew;

type Action =
  | { type: 'want'; id: string; at: number; wish: Wished }
  | { type: 'impatient'; id: string; at: number; wish: Wished }
  | { type: 'unlink'; id: string }
  | { type: 'close'; id: string }
  | { type: 'move'; id: string; to: number }
  | { type: 'crash'; at: number };

const id = fc.constantFrom(...IDS);
const name = fc.oneof({ weight: 4, arbitrary: id }, { weight: 1, arbitrary: fc.constantFrom(...ALIASES) });
const wish: fc.Arbitrary<Wished> = fc.oneof(
  fc.constant({}),
  fc.record({ alias: fc.constantFrom(...ALIASES) }),
  name.map((peer) => ({ peers: [peer] })),
  name.map((peer) => ({ peers: [peer] })),
  fc.uniqueArray(name, { minLength: 2, maxLength: 3 }).map((peers) => ({ peers })),
  fc
    .record({ name: fc.constantFrom(...GROUPS), size: fc.constantFrom(2, 3, 3, 3) })
    .map((group) => ({ group })),
  fc
    .record({ alias: fc.constantFrom(...ALIASES), peer: name })
    .map(({ alias, peer }) => ({ alias, peers: [peer] })),
  name.map((peer) => ({ unlink: true, peers: [peer] })),
);
const at = fc.nat({ max: 2 });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ type: fc.constant('want' as const), id, at, wish }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('impatient' as const), id, at, wish }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('unlink' as const), id }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('close' as const), id }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('move' as const), id, to: at }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('crash' as const), at }) },
);

/** One run: names carry its number, so that runs share one store. */
class Run {
  readonly cluster: Cluster;
  readonly suffix: string;

  constructor(store: Store, number: number) {
    this.cluster = new Cluster(store);
    this.suffix = `.${number}`;
  }

  name(short: string): string {
    return short + this.suffix;
  }

  short(long: string): string {
    return long.slice(0, -this.suffix.length);
  }

  private wish({ peers, group, alias, unlink }: Wished) {
    return {
      ...(peers ? { peers: peers.map((one) => this.name(one)) } : {}),
      ...(group ? { group: { ...group, name: this.name(group.name) } } : {}),
      ...(alias ? { alias: this.name(alias) } : {}),
      ...(unlink ? { unlink } : {}),
    };
  }

  async real(action: Action): Promise<void> {
    const { cluster } = this;
    if (action.type === 'crash') {
      await cluster.crash(cluster.hosts[action.at]!);
      return;
    }
    const id = this.name(action.id);
    await cluster.alone(id, async () => {
      const room = cluster.room(id);
      switch (action.type) {
        case 'want':
        case 'impatient': {
          if (cluster.closed.has(id)) return;
          const ms = action.type === 'impatient' ? BRIEF_MS : LONG_MS;
          if (!room) await cluster.hosts[action.at]!.settle(id, this.wish(action.wish), ms);
          else if (!room.gone) await room.host.linking.settle(room, this.wish(action.wish), ms);
          return;
        }
        case 'unlink':
          if (room) await room.host.linking.unlink('t', id).catch(gone);
          return;
        case 'close':
          await cluster.close(id);
          return;
        case 'move':
          await cluster.move(id, cluster.hosts[action.to]!);
      }
    });
  }

  /** The time of one that was not to wait for long is over. */
  async outwait(short: string): Promise<void> {
    await this.cluster.idle();
    skew += BRIEF_MS + 1;
    const room = this.cluster.room(this.name(short));
    room?.host.linking.watch(room);
    await until('it waits no more', () => room?.wait === undefined, 2_000);
  }

  /** The same on the reference. @param crashed sockets of the host that died */
  model(reference: Reference, action: Action, crashed: string[]): void {
    if (action.type === 'crash') for (const id of crashed) reference.close(id);
    else if (action.type === 'close') reference.close(action.id);
    else if (action.type === 'unlink') {
      if (reference.open.has(action.id)) reference.unlink(action.id);
    } else if (action.type !== 'move' && !reference.closed.has(action.id)) {
      reference.want(action.id, action.wish);
      if (action.type === 'impatient') reference.expire(action.id);
    }
  }

  /** What the records say, in the reference's form. */
  async seen(): Promise<object> {
    const { store } = this.cluster;
    const found = await store.getMany(IDS.map((one) => socketKey(this.name(one))));
    const sockets: [string, object][] = [];
    for (const one of IDS) {
      const text = found.get(socketKey(this.name(one)))?.value;
      const record = text === undefined ? undefined : socketSchema.parse(JSON.parse(text));
      if (record?.state !== 'open') continue;
      const linkText = record.link && (await store.get(linkKey('t', record.link)))?.value;
      const link = linkText ? linkSchema.parse(JSON.parse(linkText)) : undefined;
      expect(record.link === undefined).toBe(link === undefined);
      if (link) expect(link.members).toContain(this.name(one));
      const peers = link?.formed ? link.members.filter((member) => member !== this.name(one)) : [];
      const group =
        link?.group && `${this.short(link.group)} of ${link.size}${link.formed ? '' : ', forming'}`;
      sockets.push([
        one,
        {
          alias: record.alias && this.short(record.alias),
          errors: this.cluster.room(this.name(one))?.errors,
          peers: peers.map((peer) => this.short(peer)).sort(),
          want: record.want?.names.map((name) => this.short(name)).sort(),
          group: group || undefined,
        },
      ]);
    }
    return Object.fromEntries(sockets);
  }

  /** Rooms know what the records say, and their clients were told. */
  async roomsAgree(): Promise<void> {
    const seen = (await this.seen()) as Record<string, { peers: string[]; want?: string[]; group?: string }>;
    const rooms = this.cluster.hosts.flatMap((one) => [...one.rooms.values()]);
    expect(rooms.map(({ roomId }) => this.short(roomId)).sort()).toEqual(Object.keys(seen).sort());
    for (const room of rooms) {
      const { peers, want, group } = seen[this.short(room.roomId)]!;
      const sorted = (ids: string[]) => ids.map((one) => this.short(one)).sort();
      expect([room.roomId, sorted(room.link?.peers ?? [])]).toEqual([room.roomId, peers]);
      expect([room.roomId, sorted(room.clientPeers)]).toEqual([room.roomId, peers]);
      const waits = want !== undefined || group?.endsWith('forming') === true;
      expect([room.roomId, room.wait !== undefined]).toEqual([room.roomId, waits]);
    }
  }

  /** Nothing is left once everybody has gone. */
  async end(): Promise<void> {
    const { cluster } = this;
    cluster.losses = 0;
    for (const one of IDS) await cluster.close(this.name(one));
    await cluster.idle();
    const names = [...IDS, ...ALIASES].map((one) => this.name(one));
    const keys = [
      ...names.map((one) => waitingKey('t', one)),
      ...names.map((one) => `alias:t:${one}`),
      ...GROUPS.map((one) => linkKey('t', `group/${this.name(one)}`)),
    ];
    expect(await cluster.store.getMany(keys)).toEqual(new Map());
    await cluster.stop();
  }
}

function gone(error: { code?: string }): void {
  if (error.code !== 'BATON_SOCKET_NOT_FOUND') throw error;
}

function permutations<T>(items: T[]): T[][] {
  if (items.length < 2) return [items];
  return items.flatMap((first, at) =>
    permutations(items.filter((_, other) => other !== at)).map((rest) => [first, ...rest]),
  );
}

describe.each([
  ['embedded', embeddedBackend],
  ['redis', redisBackend],
] as const)(`links on the %s store (seed ${seed})`, (_kind, start) => {
  let backend: Backend | undefined;
  let store: Store;
  let number = 0;
  beforeAll(async () => {
    backend = await start();
    store = await (await backend.space()).open();
  });
  afterAll(() => backend?.close());

  const begin = async () => {
    const run = new Run(store, ++number);
    for (let i = 0; i < 3; i++) await run.cluster.start();
    return run;
  };
  const crashed = (run: Run, action: Action) =>
    action.type === 'crash'
      ? [...run.cluster.hosts[action.at]!.rooms.keys()].map((one) => run.short(one))
      : [];

  test('one after the other: everything is as in the reference', async () => {
    const property = fc.asyncProperty(fc.array(action, { maxLength: 30, size: 'max' }), async (actions) => {
      const run = await begin();
      const reference = new Reference();
      for (const action of actions) {
        if (action.type === 'impatient' && reference.waits(action.id)) continue;
        const lost = crashed(run, action);
        run.cluster.losses = number % 3 === 0 ? 1 : 0;
        await run.real(action);
        run.model(reference, action, lost);
        if (action.type === 'impatient') await run.outwait(action.id);
        await run.cluster.idle();
        expect(await run.seen()).toEqual(reference.seen());
        await run.roomsAgree();
      }
      await run.end();
    });
    await fc.assert(property, { seed, numRuns: RUNS });
  }, 600_000);

  test('at the same time: everything is as if it had happened in some order', async () => {
    const batch = fc.array(action, { minLength: 2, maxLength: 3 });
    const property = fc.asyncProperty(fc.array(batch, { maxLength: 10, size: 'max' }), async (batches) => {
      const run = await begin();
      let possible = [new Reference()];
      for (const actions of batches) {
        const batch = apart(run, actions);
        const steps = batch.flatMap((action) =>
          action.type === 'crash'
            ? crashed(run, action).map((id) => ({ type: 'close' as const, id }))
            : [action],
        );
        await Promise.all(batch.map((action) => run.real(action)));
        await run.cluster.idle();
        const outcomes = possible.flatMap((before) =>
          permutations(steps).map((order) => {
            const after = before.copy();
            for (const action of order) run.model(after, action, []);
            return after;
          }),
        );
        const seen = JSON.stringify(sort(await run.seen()));
        possible = distinct(outcomes.filter((after) => JSON.stringify(sort(after.seen())) === seen));
        if (possible.length === 0) expect(seen).toEqual(outcomes.map((after) => sort(after.seen())));
        await run.roomsAgree();
      }
      await run.end();
    });
    await fc.assert(property, { seed, numRuns: RUNS });
  }, 600_000);
});

/** Of a batch what can be told apart later: one host dies at most, and nothing is asked of its rooms meanwhile. */
function apart(run: Run, actions: Action[]): Action[] {
  const crash = actions.find(({ type }) => type === 'crash') as { type: 'crash'; at: number } | undefined;
  const victim = crash && run.cluster.hosts[crash.at]!;
  const elsewhere = actions.filter((action) => {
    if (action.type === 'crash' || action.type === 'impatient') return false;
    if (action.type === 'move') return run.cluster.hosts[action.to] !== victim;
    const host = run.cluster.room(run.name(action.id))?.host;
    if (host === undefined && 'at' in action) return run.cluster.hosts[action.at] !== victim;
    return victim === undefined || host !== victim;
  });
  if (!crash || victim!.rooms.size > 3) return elsewhere;
  return [crash, ...elsewhere.filter((action) => action.type !== 'move' || !isOn(run, action.id, victim!))];
}

function isOn(run: Run, id: string, host: object): boolean {
  return run.cluster.room(run.name(id))?.host === host;
}

/** Without fields that are undefined. */
function sort(seen: object): object {
  return JSON.parse(JSON.stringify(seen)) as object;
}

/** What is not seen, such as the order of those who wait, may differ. */
function distinct(references: Reference[]): Reference[] {
  const text = (one: Reference) => JSON.stringify([[...one.open], [...one.closed], [...one.queues]]);
  return [...new Map(references.map((one) => [text(one), one])).values()].slice(0, 200);
}
