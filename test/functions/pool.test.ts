import { type Claim, type Entering, memoryPool, type Ticket, type TicketPool } from '@baton/functions';
import { redisPool } from '@baton/functions/redis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { RedisServer } from '../support/redis.ts';
import { until } from '../support/service.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.stop());

let clock = 0;
let pools = 0;
const now = () => clock;
beforeEach(() => {
  clock = 1_000_000;
});

const kinds = [
  [
    'in memory',
    async (capacity?: number) => ({ pool: memoryPool({ capacity, now }), close: async () => {} }),
  ],
  [
    'in Redis',
    async (capacity?: number) => {
      const pool = await redisPool({ url: redis.url, name: `pool-${pools++}`, capacity, now });
      return { pool, close: () => pool.close() };
    },
  ],
] as const;

describe.each(kinds)('a pool %s', (_kind, open) => {
  let pool: TicketPool;
  let close: () => Promise<void>;
  beforeEach(async () => ({ pool, close } = await open()));
  afterEach(() => close());

  const enter = (socketId: string, playerId = socketId, more: Partial<Entering> = {}) =>
    pool.enter({ socketId, tenant: 'studio', queue: 'duel', player: { id: playerId }, ...more });
  const ids = async () => (await pool.waiting()).map(({ id }) => id);
  const stateOf = async (socketId: string) => (await pool.get(socketId))?.state;
  let matches = 0;
  async function claim(tickets: string[][], more: Partial<Claim> = {}) {
    const waiting = new Map((await pool.waiting()).map((ticket) => [ticket.id, ticket]));
    const found = (id: string): Ticket =>
      waiting.get(id) ?? { id, players: [{ id }], createdAt: 0, attributes: {} };
    const teams = tickets.map((team) => team.map(found));
    return pool.claim({ id: `match-${matches++}`, teams, state: 'proposed', until: clock + 10_000, ...more });
  }

  test('tickets wait in the order in which they came', async () => {
    for (const id of ['b', 'c', 'a']) {
      clock++;
      await enter(id, `player-${id}`, { attributes: { mode: 'ranked' } });
    }
    expect(await pool.waiting()).toEqual(
      ['b', 'c', 'a'].map((id, i) => ({
        id,
        queue: 'duel',
        players: [{ id: `player-${id}` }],
        sockets: [id],
        createdAt: 1_000_001 + i,
        attributes: { mode: 'ranked' },
      })),
    );
    expect(await pool.size()).toBe(3);
    expect(await stateOf('a')).toBe('searching');
    expect(await pool.get('nobody')).toBeUndefined();
  });

  test('a socket that enters again is known', async () => {
    expect(await enter('a')).toMatchObject({ known: false });
    clock += 5;
    expect(await enter('a')).toMatchObject({ known: true, ticket: { id: 'a', createdAt: 1_000_000 } });
    expect(await ids()).toEqual(['a']);
  });

  test('the newest socket of a player counts', async () => {
    await enter('a1', 'ann');
    expect(await enter('a2', 'ann')).toMatchObject({ replaced: [{ socketId: 'a1' }] });
    expect(await ids()).toEqual(['a2']);
    expect(await stateOf('a1')).toBe('cancelled');
    // of another tenant it is another player
    expect(await enter('a3', 'ann', { tenant: 'other' })).toMatchObject({ replaced: [] });
    expect(await ids()).toEqual(['a2', 'a3']);
  });

  test('a claim takes all its tickets or none', async () => {
    for (const id of ['a', 'b', 'c']) await enter(id);
    expect(await claim([['a'], ['b']])).toMatchObject({ linking: true, queue: 'duel' });
    expect(await ids()).toEqual(['c']);
    expect(await stateOf('a')).toBe('proposed');
    expect(await claim([['b'], ['c']])).toBeUndefined();
    expect(await claim([['c'], ['nobody']])).toBeUndefined();
    expect(await claim([['c'], ['c']])).toBeUndefined();
    expect(await ids()).toEqual(['c']);
  });

  test('of claims at the same moment each ticket is in one', async () => {
    const names = Array.from({ length: 12 }, (_, i) => `s${i}`);
    for (const id of names) await enter(id);
    const pairs = names.flatMap((a, i) => names.slice(i + 1).map((b) => [[a], [b]]));
    const made = (await Promise.all(pairs.map((pair) => claim(pair)))).filter((match) => match !== undefined);
    const claimed = made.flatMap(({ teams }) => teams.flat().map(({ id }) => id));
    expect(new Set(claimed).size).toBe(claimed.length);
    expect(made.length).toBeGreaterThan(0);
    expect((await ids()).length).toBe(names.length - claimed.length);
  });

  test('a match that is confirmed is over for the pool', async () => {
    for (const id of ['a', 'b']) await enter(id);
    const match = await claim([['a'], ['b']]);
    expect(await pool.confirm(match!.id)).toBe(true);
    expect(await stateOf('a')).toBe('matched');
    expect(await pool.confirm(match!.id)).toBe(false);
    expect(await pool.release(match!.id, [])).toBe(false);
    clock += 3_600_000;
    expect(await pool.due()).toEqual({ tickets: [], matches: [], more: false });
    expect(await stateOf('b')).toBe('matched');
  });

  test('released tickets have the place in line that they had, without those who are gone', async () => {
    for (const id of ['a', 'b', 'c']) {
      await enter(id);
      clock++;
    }
    const match = await claim([['a'], ['b']]);
    await enter('d');
    expect(await pool.release(match!.id, ['b'])).toBe(true);
    expect(await ids()).toEqual(['a', 'c', 'd']);
    expect(await stateOf('b')).toBe('cancelled');
    expect(await pool.confirm(match!.id)).toBe(false);
  });

  test('who leaves a proposed match takes nobody along', async () => {
    for (const id of ['a', 'b', 'c']) await enter(id);
    const match = await claim([['a'], ['b']]);
    expect(await pool.leave('a')).toEqual({ socketId: 'a', broken: match });
    expect(await ids()).toEqual(['b', 'c']);
    expect(await pool.leave('a')).toBeUndefined();
    expect(await pool.leave('nobody')).toBeUndefined();
  });

  test('a match is accepted when all have said so', async () => {
    for (const id of ['a', 'b']) await enter(id);
    const { id } = (await claim([['a'], ['b']], { asked: true }))!;
    expect(await pool.accept('a', id, clock + 5_000)).toMatchObject({ asked: true });
    expect(await stateOf('a')).toBe('accepted');
    expect((await pool.accept('a', id, clock + 5_000))!.linking).toBeUndefined();
    expect(await pool.accept('b', 'another-match', clock + 5_000)).toBeUndefined();
    expect(await stateOf('b')).toBe('proposed');
    expect(await pool.accept('b', id, clock + 5_000)).toMatchObject({ linking: true, until: clock + 5_000 });
    expect(await pool.confirm(id)).toBe(true);
    expect(await pool.accept('a', id, clock)).toBeUndefined();
  });

  test('it is too late to accept once the claim has run out', async () => {
    for (const id of ['a', 'b']) await enter(id);
    const { id } = (await claim([['a'], ['b']], { asked: true }))!;
    clock += 10_000;
    expect(await pool.accept('a', id, clock + 5_000)).toBeUndefined();
  });

  test('who accepted and is given back has to accept the next match as well', async () => {
    for (const id of ['a', 'b']) await enter(id);
    const first = (await claim([['a'], ['b']], { asked: true }))!;
    await pool.accept('a', first.id, clock + 5_000);
    await pool.release(first.id, []);
    const second = (await claim([['a'], ['b']], { asked: true }))!;
    expect((await pool.accept('b', second.id, clock + 5_000))!.linking).toBeUndefined();
    expect(await stateOf('a')).toBe('proposed');
  });

  test('what a process had claimed when it died can be seen once its time is over', async () => {
    for (const id of ['a', 'b']) await enter(id);
    const match = (await claim([['a'], ['b']]))!;
    clock += 9_999;
    expect((await pool.due()).matches).toEqual([]);
    clock += 1;
    expect((await pool.due()).matches).toEqual([match]);
    expect(await pool.extend(match, clock + 1_000)).toBe(true);
    // another process wanted to look after it, too
    expect(await pool.extend(match, clock + 1_000)).toBe(false);
    expect((await pool.due()).matches).toEqual([]);
  });

  test('a search ends after its time, unless it came to something', async () => {
    for (const id of ['a', 'b', 'c']) await enter(id, id, { maxWait: 60_000 });
    await enter('d');
    await claim([['b'], ['c']], { until: clock + 1e9 });
    clock += 60_000;
    const { tickets } = await pool.due();
    expect(tickets.map(({ id }) => id)).toEqual(['a']);
    expect(await pool.timeOut('a')).toEqual(['a']);
    expect(await pool.timeOut('b')).toEqual([]);
    expect(await stateOf('a')).toBe('timed-out');
    expect(await ids()).toEqual(['d']);
    clock += 60_000;
    await pool.due();
    expect(await pool.get('a')).toBeUndefined();
  });

  test('what is due comes in pages, and says whether there is more', async () => {
    const names = Array.from({ length: 150 }, (_, i) => `s${i}`);
    for (const id of names) {
      await enter(id);
      await pool.leave(id);
    }
    clock += 60_000;
    expect(await pool.due()).toEqual({ tickets: [], matches: [], more: true });
    expect(await pool.due()).toEqual({ tickets: [], matches: [], more: false });
    expect(await Promise.all(names.map((id) => pool.get(id)))).toEqual(names.map(() => undefined));
  });

  describe('parties', () => {
    const join = (socketId: string, more: Partial<Entering> = {}) =>
      enter(socketId, `player-${socketId}`, { party: { id: 'p', size: 2 }, ...more });

    test('wait for each other, and are one ticket', async () => {
      await join('a');
      expect(await ids()).toEqual([]);
      clock += 5;
      await join('b');
      expect(await pool.waiting()).toMatchObject([
        { id: 'a', players: [{ id: 'player-a' }, { id: 'player-b' }], createdAt: clock },
      ]);
      // the next of that name are another one
      await join('c');
      expect(await ids()).toEqual(['a']);
      expect((await pool.get('c'))!.id).toBe('c');
    });

    test('are not complete any more when one leaves', async () => {
      await join('a');
      await join('b');
      await enter('x');
      await claim([['a'], ['x']]);
      await pool.leave('b');
      expect(await ids()).toEqual(['x']);
      expect(await stateOf('a')).toBe('searching');
      await join('c');
      expect(await ids()).toEqual(['a', 'x']);
    });

    test('of which one is left join another ticket of their name that gathers', async () => {
      for (const id of ['a', 'b', 'c']) await join(id);
      clock += 5;
      await pool.leave('b');
      expect(await pool.waiting()).toMatchObject([
        { id: 'c', players: [{ id: 'player-c' }, { id: 'player-a' }], sockets: ['c', 'a'], createdAt: clock },
      ]);
      expect((await pool.get('a'))!.id).toBe('c');
      // it leaves no trace: whoever comes next is the first of another one
      await join('d');
      expect(await ids()).toEqual(['c']);
      await join('e');
      expect(await ids()).toEqual(['c', 'd']);
      expect(await pool.size()).toBe(2);
    });

    test('for whom the other ticket has no place go on gathering', async () => {
      const three = { party: { id: 'p', size: 3 } };
      for (const id of ['a', 'b', 'c', 'd', 'e']) await join(id, three);
      await pool.leave('b');
      expect((await pool.waiting()).map(({ sockets }) => sockets)).toEqual([['d', 'e', 'a']]);
      expect((await pool.get('c'))!.id).toBe('a');
      clock += 5;
      for (const id of ['f', 'g']) await join(id, three);
      expect((await pool.waiting()).map(({ sockets }) => sockets)).toEqual([
        ['d', 'e', 'a'],
        ['c', 'f', 'g'],
      ]);
    });

    test('have accepted when each of them has', async () => {
      await join('a');
      await join('b');
      await enter('x');
      const { id } = (await claim([['a'], ['x']], { asked: true }))!;
      await pool.accept('x', id, clock + 5_000);
      expect((await pool.accept('a', id, clock + 5_000))!.linking).toBeUndefined();
      expect(await stateOf('a')).toBe('proposed');
      expect((await pool.accept('b', id, clock + 5_000))!.linking).toBe(true);
    });

    test('whose last match is over come together again, whoever of it closes when', async () => {
      const meet = (...sockets: string[]) =>
        Promise.all(sockets.map((id) => enter(id, `player-${id[0]}`, { party: { id: 'p', size: 2 } })));
      await join('x', { party: undefined });
      await meet('a1');
      await meet('b1');
      await pool.confirm((await claim([['a1'], ['x']]))!.id);
      await pool.leave('a1');
      await meet('a2');
      await pool.leave('b1');
      await meet('b2');
      expect(await ids()).toEqual(['a2']);
      // the older socket of one is still there when both open anew
      await enter('y');
      await pool.confirm((await claim([['a2'], ['y']]))!.id);
      await meet('a3');
      await meet('b3');
      expect(await ids()).toEqual(['a3']);
    });

    test('a player who opens anew takes his old place', async () => {
      await join('a');
      await join('b');
      await enter('b2', 'player-b', { party: { id: 'p', size: 2 } });
      expect((await pool.get('a'))!.members.map(({ socketId }) => socketId)).toEqual(['a', 'b2']);
      expect(await ids()).toEqual(['a']);
    });
  });

  describe('running matches', () => {
    async function running() {
      for (const id of ['a', 'b', 'c', 'd']) await enter(id);
      const { id } = (await claim(
        [
          ['a', 'b'],
          ['c', 'd'],
        ],
        { refill: true },
      ))!;
      await pool.confirm(id);
      return id;
    }

    test('offer the places of those who left, until they are taken', async () => {
      const id = await running();
      expect(await ids()).toEqual([]);
      await pool.leave('c');
      expect(await pool.waiting()).toMatchObject([
        { id, players: [{ id: 'a' }, { id: 'b' }, { id: 'd' }], attributes: { places: [0, 1] } },
      ]);
      await enter('e');
      await enter('f');
      expect(await claim([['e'], []], { backfill: id })).toBeUndefined();
      const fill = (await claim([[], ['e']], { backfill: id }))!;
      expect(await claim([[], ['f']], { backfill: id })).toBeUndefined();
      await pool.confirm(fill.id);
      expect(await ids()).toEqual(['f']);
      await pool.leave('e');
      expect(await ids()).toEqual(['f', id]);
    });

    test('a place that could not be taken is offered again', async () => {
      const id = await running();
      await pool.leave('c');
      await enter('e');
      const fill = (await claim([[], ['e']], { backfill: id }))!;
      await pool.leave('d');
      await pool.release(fill.id, ['e']);
      expect(await pool.waiting()).toMatchObject([{ id, attributes: { places: [0, 2] } }]);
    });

    test('are over with the last player', async () => {
      await running();
      for (const socketId of ['a', 'b', 'c', 'd']) await pool.leave(socketId);
      expect(await pool.waiting()).toEqual([]);
    });
  });

  test('one process makes the rounds; when it dies another one does', async () => {
    expect(await pool.lead('one', 5_000)).toBe(true);
    expect(await pool.lead('two', 5_000)).toBe(false);
    clock += 4_000;
    expect(await pool.lead('one', 5_000)).toBe(true);
    clock += 5_000;
    expect(await pool.lead('two', 5_000)).toBe(true);
    expect(await pool.lead('one', 5_000)).toBe(false);
  });

  test('no more tickets than it may have; what is over gives way', async () => {
    await close();
    ({ pool, close } = await open(2));
    await enter('a');
    await enter('b');
    await expect(enter('c')).rejects.toMatchObject({ name: 'PoolFull' });
    await pool.confirm((await claim([['a'], ['b']]))!.id);
    await enter('c');
    await enter('d');
    await pool.leave('c');
    await enter('e');
    expect(await stateOf('a')).toBeUndefined();
    expect([await stateOf('b'), await stateOf('c')]).toEqual(['matched', 'cancelled']);
    await expect(enter('f')).rejects.toMatchObject({ name: 'PoolFull' });
  });
});

test('a Redis that is not there is an error at once', async () => {
  await expect(redisPool({ url: 'redis://127.0.0.1:9' })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('while Redis is away steps fail soon; when it is back the pool goes on', async () => {
  const server = await RedisServer.start();
  const logged = jest.spyOn(console, 'error').mockImplementation(() => {});
  const pool = await redisPool({ url: server.url, timeout: 500 });
  try {
    const enter = (id: string) =>
      pool.enter({ socketId: id, tenant: 'studio', queue: 'duel', player: { id } });
    await enter('a');
    process.kill(server.pid, 'SIGSTOP');
    await expect(enter('b')).rejects.toThrow('did not answer within 500 ms');
    process.kill(server.pid, 'SIGCONT');
    await until(
      () =>
        enter('b').then(
          () => true,
          () => false,
        ),
      'it to answer again',
    );
    expect((await pool.waiting()).map(({ id }) => id)).toEqual(['a', 'b']);
    await server.stop();
    await expect(enter('c')).rejects.toThrow();
    await server.start();
    await until(
      () =>
        enter('c').then(
          () => true,
          () => false,
        ),
      'the connection to be made anew',
    );
    expect((await pool.waiting()).map(({ id }) => id)).toEqual(['c']);
  } finally {
    await pool.close();
    await server.stop();
    logged.mockRestore();
  }
}, 30_000);
