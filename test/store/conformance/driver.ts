import type { IRoomCache, MatchMakerDriver } from '@colyseus/core';
import { expect, test } from '@jest/globals';
import type { Space } from '../backend.ts';

function room(roomId: string, more: Partial<IRoomCache> = {}): IRoomCache {
  return {
    name: 'arena',
    roomId,
    processId: 'p1',
    clients: 0,
    maxClients: 4,
    locked: false,
    private: false,
    unlisted: false,
    metadata: undefined,
    createdAt: new Date(1000),
    ...more,
  };
}

/** Colyseus' room listings. */
export function driver(space: () => Promise<Space>): void {
  const two = async (): Promise<[MatchMakerDriver, MatchMakerDriver]> => {
    const shared = await space();
    return [(await shared.open()).driver, (await shared.open()).driver];
  };
  const ids = async (rooms: Promise<IRoomCache[]> | IRoomCache[]) =>
    (await rooms).map(({ roomId }) => roomId);

  test('insert records a room once, whoever asks', async () => {
    const [a, b] = await two();
    const outcomes = await Promise.all([
      a.insert!(room('r', { processId: 'p1' })),
      b.insert!(room('r', { processId: 'p2' })),
      a.insert!(room('r', { processId: 'p3' })),
    ]);
    expect(outcomes.filter(Boolean)).toHaveLength(1);
    const winner = ['p1', 'p2', 'p3'][outcomes.indexOf(true)];
    expect((await b.findOne({ roomId: 'r' })).processId).toBe(winner);
    expect(await a.has('r')).toBe(true);
    expect(await a.has('s')).toBe(false);
  });

  test('a listing comes back as it was given: dates, no limit of clients, metadata', async () => {
    const [a, b] = await two();
    const given = room('r', {
      maxClients: Number.POSITIVE_INFINITY,
      metadata: { mode: 'duel', deep: { list: [1, 2] } },
      publicAddress: 'a.example',
    });
    await a.persist(given, true);
    const expected = { ...given, createdAt: new Date(1000) };
    expect(await b.findOne({ roomId: 'r' })).toEqual(expected);
    expect(await b.findOne({ name: 'arena' })).toEqual(expected);
    expect(await b.query({})).toEqual([expected]);
    expect((await b.findByIds(['r'])).get('r')).toEqual(expected);
    expect(await b.findOne({ roomId: 'none' })).toBeUndefined();
    expect(await b.findOne({ name: 'none' })).toBeUndefined();
  });

  test('conditions name fields of the listing or of its metadata', async () => {
    const [a, b] = await two();
    await a.persist(room('r1', { metadata: { mode: 'duel', rank: 3 } }), true);
    await a.persist(room('r2', { metadata: { mode: 'team' }, locked: true }), true);
    await a.persist(room('r3', { name: 'lobby', private: true }), true);
    const find = async (conditions: object) => (await ids(b.query(conditions))).sort();
    expect(await find({})).toEqual(['r1', 'r2', 'r3']);
    expect(await find({ name: 'arena' })).toEqual(['r1', 'r2']);
    expect(await find({ name: 'arena', locked: false })).toEqual(['r1']);
    expect(await find({ mode: 'team' })).toEqual(['r2']);
    expect(await find({ mode: 'duel', rank: 3 })).toEqual(['r1']);
    expect(await find({ rank: 4 })).toEqual([]);
    expect(await find({ unknown: 1 })).toEqual([]);
    expect(await find({ private: true })).toEqual(['r3']);
    expect((await b.findOne({ name: 'lobby' })).roomId).toBe('r3');
  });

  test('results are sorted by fields of the listing or of its metadata', async () => {
    const [a, b] = await two();
    const add = (roomId: string, clients: number, rank: number, at: number) =>
      a.persist(room(roomId, { clients, metadata: { rank }, createdAt: new Date(at) }), true);
    await Promise.all([add('r1', 2, 10, 30), add('r2', 2, 5, 10), add('r3', 1, 7, 20)]);
    await a.persist(
      room('r4', { clients: 0, maxClients: Number.POSITIVE_INFINITY, metadata: { rank: 1 } }),
      true,
    );
    expect(await ids(b.query({}, { clients: 1, rank: -1 }))).toEqual(['r4', 'r3', 'r1', 'r2']);
    expect(await ids(b.query({}, { clients: 'desc', rank: 'asc' }))).toEqual(['r2', 'r1', 'r3', 'r4']);
    expect(await ids(b.query({ maxClients: 4 }, { createdAt: 'ascending' }))).toEqual(['r2', 'r3', 'r1']);
    expect((await ids(b.query({}, { maxClients: 'descending' })))[0]).toBe('r4');
    expect((await b.findOne({ name: 'arena' }, { rank: 1 })).roomId).toBe('r4');
    expect((await b.findOne({ name: 'arena', clients: 2 }, { rank: -1 })).roomId).toBe('r1');
  });

  test('findByIds finds those that are there', async () => {
    const [a, b] = await two();
    const many = Array.from({ length: 600 }, (_, at) => `r${at}`);
    await Promise.all(many.map((roomId) => a.insert!(room(roomId))));
    const found = await b.findByIds(['none', 'r1', ...many.slice(100)]);
    expect(found.size).toBe(501);
    expect(found.get('r599')!.roomId).toBe('r599');
    expect(found.has('none')).toBe(false);
    expect((await b.findByIds([])).size).toBe(0);
  });

  test('update changes the caller’s listing and the stored one', async () => {
    const [a, b] = await two();
    const listing = room('r', { metadata: { mode: 'duel' } });
    await a.insert!(listing);
    await a.update(listing, { $set: { locked: true, metadata: { mode: 'team' } }, $inc: { clients: 2 } });
    await a.update(listing, { $inc: { clients: -1 } });
    expect(listing).toMatchObject({ locked: true, clients: 1, metadata: { mode: 'team' } });
    const stored = await b.findOne({ roomId: 'r' });
    expect(stored).toMatchObject({ locked: true, clients: 1, metadata: { mode: 'team' } });
    expect(await ids(b.query({ mode: 'duel' }))).toEqual([]);
  });

  test('updates of one room that are not awaited keep their order', async () => {
    const [a, b] = await two();
    const listing = room('r');
    await a.insert!(listing);
    await Promise.all(Array.from({ length: 50 }, () => a.update(listing, { $inc: { clients: 1 } })));
    expect((await b.findOne({ roomId: 'r' })).clients).toBe(50);
  });

  test('persist writes with and without create; not without a room id', async () => {
    const [a, b] = await two();
    await a.persist(room('r'));
    await b.persist(room('r', { clients: 3 }), true);
    expect((await a.query({}))[0]!.clients).toBe(3);
    expect(await a.query({})).toHaveLength(1);
    expect(await a.persist({ ...room('r'), roomId: undefined as any }, true)).toBe(false);
  });

  test('what a query returned is the caller’s own', async () => {
    const [a, b] = await two();
    await a.insert!(room('r', { metadata: { mode: 'duel' } }));
    const [first] = await b.query({});
    first!.clients = 99;
    first!.metadata.mode = 'changed';
    expect(await b.findOne({ roomId: 'r' })).toMatchObject({ clients: 0, metadata: { mode: 'duel' } });
  });

  test('remove, cleanup by process, clear', async () => {
    const [a, b] = await two();
    for (const [roomId, processId] of [
      ['r1', 'p1'],
      ['r2', 'p2'],
      ['r3', 'p1'],
      ['r4', 'p1x'],
    ] as const) {
      await a.insert!(room(roomId, { processId, metadata: { note: 'p1' } }));
    }
    expect(await b.remove('r1')).toBe(true);
    expect(await b.remove('r1')).toBe(false);
    await b.cleanup!('p1');
    expect((await ids(a.query({}))).sort()).toEqual(['r2', 'r4']);
    await b.cleanup!('nobody');
    await a.clear();
    expect(await b.query({})).toEqual([]);
  });

  test('shutdown leaves the store open: it belongs to whoever opened it', async () => {
    const shared = await space();
    const store = await shared.open();
    await store.driver.shutdown();
    store.presence.shutdown();
    expect(await store.driver.has('r')).toBe(false);
    expect(await store.presence.incr('n')).toBe(1);
  });
}
