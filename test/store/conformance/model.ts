import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Move, RoomOwner, Store } from '../../../server/src/store/index.ts';
import type { Space } from '../backend.ts';
import { host, LONG } from '../support.ts';

/** What the registry ought to be: live hosts and owners. */
interface Model {
  hosts: Set<string>;
  owners: Map<string, { host: string; epoch: number }>;
}
interface Real {
  stores: Store[];
  /** Makes names unique, so that runs share one store. */
  name: (short: string) => string;
  short: (name: string) => string;
}
type Step = fc.AsyncCommand<Model, Real>;

const hostName = fc.constantFrom('A', 'B', 'C');
const roomName = fc.constantFrom('r', 's', 't', 'u');
const client = fc.nat({ max: 1 });
const epoch = fc.integer({ min: 1, max: 6 });

function step(label: string, run: (model: Model, real: Real) => Promise<void>): Step {
  return { check: () => true, run, toString: () => label };
}

function ownerOf(model: Model, room: string): RoomOwner | undefined {
  const owner = model.owners.get(room);
  return owner && { roomId: room, ...owner };
}

function plain(real: Real, owner: RoomOwner | undefined): RoomOwner | undefined {
  return owner && { ...owner, roomId: real.short(owner.roomId), host: real.short(owner.host) };
}

const put = fc.tuple(client, hostName).map(([at, id]) =>
  step(`${at}.putHost(${id})`, async (model, real) => {
    const fresh = await real.stores[at]!.putHost(host(real.name(id)), LONG);
    expect(fresh).toBe(!model.hosts.has(id));
    model.hosts.add(id);
  }),
);

const remove = fc.tuple(client, hostName).map(([at, id]) =>
  step(`${at}.removeHost(${id})`, async (model, real) => {
    await real.stores[at]!.removeHost(real.name(id));
    model.hosts.delete(id);
    for (const [room, owner] of model.owners) if (owner.host === id) model.owners.delete(room);
  }),
);

const claim = fc.tuple(client, roomName, hostName, epoch).map(([at, room, id, from]) =>
  step(`${at}.claim(${room}, ${id}, ${from})`, async (model, real) => {
    const claimed = real.stores[at]!.claim(real.name(room), real.name(id), from);
    const before = ownerOf(model, room);
    if (!model.hosts.has(id)) return expect(claimed).rejects.toMatchObject({ code: 'BATON_HOST_NOT_FOUND' });
    if (before && before.host !== id) {
      return expect(claimed).rejects.toMatchObject({ code: 'BATON_OWNERSHIP_LOST' });
    }
    if (!before) model.owners.set(room, { host: id, epoch: from });
    expect(plain(real, await claimed)).toEqual(ownerOf(model, room));
  }),
);

const release = fc.tuple(client, roomName, hostName, epoch).map(([at, room, id, held]) =>
  step(`${at}.release(${room}, ${id}, ${held})`, async (model, real) => {
    const owner = model.owners.get(room);
    const mine = owner?.host === id && owner.epoch === held;
    expect(await real.stores[at]!.release(real.name(room), real.name(id), held)).toBe(mine);
    if (mine) model.owners.delete(room);
  }),
);

interface Wish {
  room: string;
  from: string;
  epoch: number;
  to: string;
  /** Takes owner and epoch from the model, so that most moves may succeed. */
  aim: boolean;
}
const wish: fc.Arbitrary<Wish> = fc.record({
  room: roomName,
  from: hostName,
  epoch,
  to: hostName,
  aim: fc.integer({ min: 0, max: 3 }).map((one) => one > 0),
});

const transfer = fc.tuple(client, fc.array(wish, { minLength: 1, maxLength: 5 })).map(([at, wishes]) =>
  step(`${at}.transfer(${JSON.stringify(wishes)})`, async (model, real) => {
    const moves: Move[] = wishes.map(({ room, from, epoch: held, to, aim }) => {
      const owner = aim ? model.owners.get(room) : undefined;
      return { roomId: room, from: owner?.host ?? from, epoch: owner?.epoch ?? held, to };
    });
    const named = moves.map((move) => ({
      ...move,
      roomId: real.name(move.roomId),
      from: real.name(move.from),
      to: real.name(move.to),
    }));
    const outcomes = await real.stores[at]!.transfer(named);
    const expected = moves.map(({ roomId, from, epoch: held, to }) => {
      const owner = model.owners.get(roomId);
      const ok = owner?.host === from && owner.epoch === held && model.hosts.has(to);
      if (ok) model.owners.set(roomId, { host: to, epoch: held + 1 });
      return { roomId, ok, owner: ownerOf(model, roomId) };
    });
    const short = outcomes.map(({ roomId, ok, owner }) => ({
      roomId: real.short(roomId),
      ok,
      owner: plain(real, owner),
    }));
    expect(short).toEqual(expected);
  }),
);

const look = fc.tuple(client, hostName).map(([at, id]) =>
  step(`${at}.look(${id})`, async (model, real) => {
    const store = real.stores[at]!;
    const rooms = ['r', 's', 't', 'u'];
    const owners = await store.owners(rooms.map(real.name));
    for (const room of rooms) {
      expect(plain(real, owners.get(real.name(room)))).toEqual(ownerOf(model, room));
    }
    expect(plain(real, await store.owner(real.name('r')))).toEqual(ownerOf(model, 'r'));
    const owned = (await store.roomsOf(real.name(id))).map((owner) => plain(real, owner)!);
    const expected = rooms.map((room) => ownerOf(model, room)).filter((owner) => owner?.host === id);
    expect(owned.sort((x, y) => (x.roomId < y.roomId ? -1 : 1))).toEqual(expected);
    const live = (await store.hosts()).map((record) => record.id);
    for (const name of ['A', 'B', 'C']) {
      expect(live.includes(real.name(name))).toBe(model.hosts.has(name));
    }
    expect(await store.expireHosts()).toEqual([]);
  }),
);

/** Random sequences of registry steps against the model. */
export function model(space: () => Promise<Space>): void {
  test('any sequence of steps leaves hosts and owners as the model has them', async () => {
    const shared = await space();
    const stores = [await shared.open(), await shared.open()];
    let run = 0;
    const steps = fc.commands([put, put, remove, claim, claim, release, transfer, transfer, look], {
      maxCommands: 40,
      size: 'max',
    });
    const property = fc.asyncProperty(steps, async (commands) => {
      const suffix = `-${++run}`;
      const real: Real = {
        stores,
        name: (short) => short + suffix,
        short: (name) => name.slice(0, -suffix.length),
      };
      const setup = () => ({ model: { hosts: new Set<string>(), owners: new Map() }, real });
      await fc.asyncModelRun(setup, commands);
      for (const id of ['A', 'B', 'C']) await stores[0]!.removeHost(real.name(id));
    });
    await fc.assert(property, { numRuns: 60 });
  });
}
