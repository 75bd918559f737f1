import { expect, test } from '@jest/globals';
import type { Store } from '../../../server/src/store/index.ts';
import { storeLimits } from '../../../server/src/store/index.ts';
import type { Space } from '../backend.ts';
import { expectCode, host, hosts, LONG, until } from '../support.ts';

/** Hosts, leases, owners. */
export function registry(space: () => Promise<Space>): void {
  const two = async (): Promise<[Store, Store]> => {
    const shared = await space();
    return [await shared.open(), await shared.open()];
  };

  test('host ids are given once, whoever asks', async () => {
    const [a, b] = await two();
    const ids = await Promise.all(Array.from({ length: 20 }, (_, at) => (at % 2 ? a : b).nextHostId()));
    expect(new Set(ids)).toEqual(new Set(Array.from({ length: 20 }, (_, at) => `h${at + 1}`)));
  });

  test('a host that registers itself with an id keeps later ids clear of it', async () => {
    const [a] = await two();
    await a.putHost(host('h7'), LONG);
    expect(await a.nextHostId()).toBe('h8');
  });

  test('a registered host is listed with what it said last, by number', async () => {
    const [a, b] = await two();
    expect(await a.putHost(host('h10'), LONG)).toBe(true);
    expect(await a.putHost(host('h2', { load: 0.5 }), LONG)).toBe(true);
    expect(await a.putHost(host('h10', { state: 'draining', rooms: 3, clients: 6 }), LONG)).toBe(false);
    const expected = [host('h2', { load: 0.5 }), host('h10', { state: 'draining', rooms: 3, clients: 6 })];
    expect(await b.hosts()).toEqual(expected);
    await b.removeHost('h2');
    await b.removeHost('h99');
    expect(await a.hosts()).toEqual(expected.slice(1));
    expect(await a.putHost(host('h2'), LONG)).toBe(true);
  });

  test('a live host id is not given to another process', async () => {
    const [a, b] = await two();
    await a.putHost(host('h1'), LONG);
    await expectCode(b.putHost(host('h1', { processId: 'other' }), LONG), 'BATON_HOST_ID_TAKEN');
    expect((await b.hosts())[0]!.processId).toBe('process-of-h1');
    await b.removeHost('h1');
    expect(await b.putHost(host('h1', { processId: 'other' }), LONG)).toBe(true);
  });

  test('an expired host is returned to exactly one of five sweepers, and its rooms are free', async () => {
    const shared = await space();
    const stores = await Promise.all(Array.from({ length: 5 }, () => shared.open()));
    const [a] = stores as [Store];
    await a.putHost(host('h1'), LONG);
    await a.putHost(host('h2'), 40);
    await a.putHost(host('h3'), 40);
    await a.claim('stays', 'h1');
    await a.claim('goes', 'h2');
    const swept: string[] = [];
    await until('both are swept', async () => {
      const found = await Promise.all(stores.map((store) => store.expireHosts()));
      swept.push(...found.flat().map((record) => record.id));
      return swept.length >= 2;
    });
    const late = await Promise.all(stores.map((store) => store.expireHosts()));
    expect([...swept, ...late.flat()].sort()).toEqual(['h2', 'h3']);
    expect((await a.hosts()).map((record) => record.id)).toEqual(['h1']);
    expect(await a.owner('goes')).toBeUndefined();
    expect(await a.owner('stays')).toEqual({ roomId: 'stays', host: 'h1', epoch: 1 });
    expect(await a.roomsOf('h2')).toEqual([]);
    expect(await a.putHost(host('h2'), LONG)).toBe(true);
  });

  test('a host that is known to be gone is removed before its lease runs out, once', async () => {
    const [a, b] = await two();
    await a.putHost(host('h1'), LONG);
    await a.putHost(host('h2'), LONG);
    await a.claim('stays', 'h1');
    await a.claim('goes', 'h2');
    const swept = await Promise.all([a.expireHosts(['h2', 'h99']), b.expireHosts(['h2'])]);
    expect(swept.flat()).toEqual([host('h2')]);
    expect(await b.expireHosts(['h2'])).toEqual([]);
    expect((await b.hosts()).map(({ id }) => id)).toEqual(['h1']);
    expect(await b.owner('goes')).toBeUndefined();
    expect(await b.owner('stays')).toEqual({ roomId: 'stays', host: 'h1', epoch: 1 });
  });

  test('a renewed lease runs on', async () => {
    const [a, b] = await two();
    await a.putHost(host('renewed'), 40);
    await a.putHost(host('forgotten'), 40);
    await a.putHost(host('renewed'), LONG);
    const swept: string[] = [];
    await until('the other one expires', async () => {
      swept.push(...(await b.expireHosts()).map((record) => record.id));
      return swept.includes('forgotten');
    });
    expect(swept).toEqual(['forgotten']);
    expect((await b.hosts()).map((record) => record.id)).toEqual(['renewed']);
  });

  test('of two claims of one room one wins; the other learns who has it', async () => {
    const [a, b] = await two();
    const [h1, h2] = (await hosts(a, 2)) as [string, string];
    for (let round = 0; round < 20; round++) {
      const roomId = `room${round}`;
      const outcomes = await Promise.allSettled([a.claim(roomId, h1), b.claim(roomId, h2)]);
      const won = outcomes.filter((outcome) => outcome.status === 'fulfilled');
      expect(won).toHaveLength(1);
      const lost = outcomes.find((outcome) => outcome.status === 'rejected')!;
      const { host: winner } = (await a.owner(roomId))!;
      expect(lost.reason).toMatchObject({
        code: 'BATON_OWNERSHIP_LOST',
        details: { roomId, owner: winner, epoch: 1 },
      });
    }
  });

  test('claiming again changes nothing; a free room starts at the epoch asked for', async () => {
    const [a, b] = await two();
    const [h1, h2] = (await hosts(a, 2)) as [string, string];
    expect(await a.claim('r', h1, 5)).toEqual({ roomId: 'r', host: h1, epoch: 5 });
    expect(await b.claim('r', h1)).toEqual({ roomId: 'r', host: h1, epoch: 5 });
    expect(await b.claim('other', h2)).toEqual({ roomId: 'other', host: h2, epoch: 1 });
    await expectCode(a.claim('new', 'h99'), 'BATON_HOST_NOT_FOUND');
    expect(await a.owner('new')).toBeUndefined();
  });

  test('a dead host may not claim; its room is taken over with the next epoch', async () => {
    const [a] = await two();
    await a.putHost(host('h1'), LONG);
    await a.putHost(host('h2'), 40);
    expect(await a.claim('r', 'h2', 3)).toMatchObject({ epoch: 3 });
    await until('the lease runs out', async () => (await a.hosts()).length === 1);
    await expectCode(a.claim('another', 'h2'), 'BATON_HOST_NOT_FOUND');
    expect(await a.claim('r', 'h1')).toEqual({ roomId: 'r', host: 'h1', epoch: 4 });
    expect(await a.release('r', 'h2', 3)).toBe(false);
    expect((await a.expireHosts()).map((record) => record.id)).toEqual(['h2']);
    expect(await a.owner('r')).toEqual({ roomId: 'r', host: 'h1', epoch: 4 });
  });

  test('of concurrent transfers with one epoch exactly one wins', async () => {
    const shared = await space();
    const stores = await Promise.all(Array.from({ length: 4 }, () => shared.open()));
    const [h1, ...others] = (await hosts(stores[0]!, 5)) as [string, ...string[]];
    await stores[0]!.claim('r', h1);
    let owner = h1;
    for (let epoch = 1; epoch <= 15; epoch++) {
      const targets = [h1, ...others].filter((id) => id !== owner).slice(0, 4);
      const tried = targets.map((to, at) => stores[at]!.transfer([{ roomId: 'r', from: owner, epoch, to }]));
      const outcomes = (await Promise.all(tried)).flat();
      const won = outcomes.filter((outcome) => outcome.ok);
      expect(won).toHaveLength(1);
      owner = won[0]!.owner!.host;
      for (const outcome of outcomes) {
        expect(outcome.owner).toEqual({ roomId: 'r', host: owner, epoch: epoch + 1 });
      }
      expect(await stores[0]!.roomsOf(owner)).toEqual([{ roomId: 'r', host: owner, epoch: epoch + 1 }]);
    }
  });

  test('a batch of transfers moves what it may and leaves the rest', async () => {
    const [a, b] = await two();
    const [h1, h2, h3] = (await hosts(a, 3)) as [string, string, string];
    for (const roomId of ['mine', 'stale', 'twice', 'nowhere']) await a.claim(roomId, h1);
    await a.claim('theirs', h3);
    const move = (roomId: string, epoch = 1, to = h2) => ({ roomId, from: h1, epoch, to });
    const moves = [
      move('mine'),
      move('stale', 7),
      move('theirs'),
      move('nobody'),
      move('twice'),
      move('twice'),
    ];
    expect(await b.transfer([...moves, move('nowhere', 1, 'h99')])).toEqual([
      { roomId: 'mine', ok: true, owner: { roomId: 'mine', host: h2, epoch: 2 } },
      { roomId: 'stale', ok: false, owner: { roomId: 'stale', host: h1, epoch: 1 } },
      { roomId: 'theirs', ok: false, owner: { roomId: 'theirs', host: h3, epoch: 1 } },
      { roomId: 'nobody', ok: false, owner: undefined },
      { roomId: 'twice', ok: true, owner: { roomId: 'twice', host: h2, epoch: 2 } },
      { roomId: 'twice', ok: false, owner: { roomId: 'twice', host: h2, epoch: 2 } },
      { roomId: 'nowhere', ok: false, owner: { roomId: 'nowhere', host: h1, epoch: 1 } },
    ]);
    expect(await a.transfer([])).toEqual([]);
    const left = (await a.roomsOf(h1)).map((owner) => owner.roomId);
    expect(left.sort()).toEqual(['nowhere', 'stale']);
  });

  test('a thousand rooms change hands in one step', async () => {
    const [a] = await two();
    const [h1, h2] = (await hosts(a, 2)) as [string, string];
    const ids = Array.from({ length: 1000 }, (_, at) => `room-${at}`);
    await Promise.all(ids.map((roomId) => a.claim(roomId, h1)));
    const moved = await a.transfer(ids.map((roomId) => ({ roomId, from: h1, epoch: 1, to: h2 })));
    expect(moved.every((outcome, at) => outcome.ok && outcome.roomId === ids[at])).toBe(true);
    expect(await a.roomsOf(h1)).toEqual([]);
    expect((await a.roomsOf(h2)).every((owner) => owner.epoch === 2)).toBe(true);
    const found = await a.owners([...ids, 'none']);
    expect(found.size).toBe(1000);
    expect(found.get('room-3')).toEqual({ roomId: 'room-3', host: h2, epoch: 2 });
  });

  test('only the owner at its epoch releases a room', async () => {
    const [a, b] = await two();
    const [h1, h2] = (await hosts(a, 2)) as [string, string];
    await a.claim('r', h1);
    expect(await b.release('r', h2, 1)).toBe(false);
    expect(await b.release('r', h1, 2)).toBe(false);
    expect(await b.release('none', h1, 1)).toBe(false);
    expect(await a.owner('r')).toEqual({ roomId: 'r', host: h1, epoch: 1 });
    expect(await b.release('r', h1, 1)).toBe(true);
    expect(await a.owner('r')).toBeUndefined();
    expect(await a.roomsOf(h1)).toEqual([]);
    expect(await a.owners([])).toEqual(new Map());
  });

  test('a removed host owns nothing', async () => {
    const [a, b] = await two();
    const [h1, h2] = (await hosts(a, 2)) as [string, string];
    await a.claim('r', h1);
    await a.claim('s', h2);
    await b.removeHost(h1);
    expect(await a.owner('r')).toBeUndefined();
    expect(await a.transfer([{ roomId: 'r', from: h1, epoch: 1, to: h2 }])).toEqual([
      { roomId: 'r', ok: false, owner: undefined },
    ]);
    expect(await b.owner('s')).toEqual({ roomId: 's', host: h2, epoch: 1 });
  });

  test('a store that was silent for long gives each host one more lease, and no second', async () => {
    const [a] = await two();
    await a.putHost(host('h1'), 200);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await a.expireHosts()).toEqual([]);
    expect((await a.hosts()).map((record) => record.id)).toEqual(['h1']);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await a.expireHosts()).map((record) => record.id)).toEqual(['h1']);
  });

  test('what is no host, room, epoch or lease is refused', async () => {
    const [a] = await two();
    const long = 'x'.repeat(storeLimits.keyLength + 1);
    const refused: Promise<unknown>[] = [
      a.putHost({ ...host('h1'), state: 'lost' as 'up' }, LONG),
      a.putHost(host('h1'), 0),
      a.putHost(host('h1'), Number.NaN),
      a.putHost({ id: 'h1' } as any, LONG),
      a.claim('', 'h1'),
      a.claim(long, 'h1'),
      a.claim('r', 'h1', 0),
      a.transfer([{ roomId: 'r', from: 'h1', epoch: 1.5, to: 'h2' }]),
      a.owners(Array.from({ length: storeLimits.batch + 1 }, () => 'r')),
      a.release('r', 'h1', -1),
    ];
    for (const promise of refused) await expectCode(promise, 'BATON_INVALID_REQUEST');
    expect(await a.hosts()).toEqual([]);
  });
}
