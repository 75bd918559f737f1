import {
  backfill,
  CLOSES,
  firstCome,
  type Matchmaker,
  type Matchmaking,
  matchmake,
  privateCodes,
  ServiceError,
  teams,
} from '@baton/functions';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { until } from '../support/service.ts';
import { Players } from './fake-service.ts';
import {
  begin,
  clock,
  end,
  failures,
  linked,
  matchmaking,
  often,
  others,
  pass,
  players,
  pool,
  service,
  start,
  stateOf,
  waiting,
} from './matching.ts';

beforeEach(begin);
afterEach(end);

describe('an open call', () => {
  test('is answered with the peer when there is one; the pool knows once they are linked', async () => {
    start(firstCome());
    expect(await players.open('a')).toEqual({});
    expect(await players.open('b')).toEqual({ peer: 'a' });
    expect(await stateOf('a')).toBe('proposed');
    await players.linked('a');
    expect(await stateOf('b')).toBe('matched');
  });

  test('whose answer got lost is answered the same again, and after a while the players search on', async () => {
    start(firstCome());
    await players.open('a');
    service.fail = (what) => (what === 'link' ? 'BATON_LINK_TAKEN' : undefined);
    const answer = await matchmaking.open({ ...openOf('b') });
    expect(answer).toEqual({ peer: 'a' });
    expect(await matchmaking.open({ ...openOf('b') })).toEqual({ peer: 'a' });
    service.sockets.set('b', { status: 'open', peers: [], heard: [] });
    service.fail = () => undefined;
    pass(10_000);
    // rounds of this matchmaker come with players, and once a second
    await until(() => players.peers('a').length > 0, 'a to be linked after all');
  });

  test('names all peers of a party', async () => {
    start(firstCome());
    const party = { attributes: { party: { id: 'p', size: 2 } } };
    expect(await players.open('a', party)).toEqual({});
    expect(await players.open('x')).toEqual({});
    expect(await players.open('b', party)).toEqual({ peers: ['a', 'x'].sort() });
    await linked('x', 'a', 'b');
  });

  test('can turn a player away, or fail over a ticket that is none', async () => {
    start(firstCome(), {
      ticket: ({ data }) => (data as any) ?? { reject: { code: 4003, reason: 'banned' } },
    });
    expect(await players.open('a')).toEqual({ reject: { code: 4003, reason: 'banned' } });
    await expect(players.open('b', { data: { rating: { mu: '25' } } })).rejects.toThrow("ticket's rating");
    await expect(players.open('c', { data: { roles: [] } })).rejects.toThrow("ticket's roles");
    await expect(players.open('d', { data: { party: { id: 'p', size: 17 } } })).rejects.toThrow(
      "ticket's party",
    );
    await expect(players.open('e', { data: { latency: { eu: -1 } } })).rejects.toThrow("ticket's latency");
    await expect(players.open('f', { data: { attributes: { x: 'x'.repeat(5_000) } } })).rejects.toThrow(
      "ticket's attributes",
    );
  });

  test('needs no service as long as answers are enough; whatever is later does', () => {
    for (const [matchmaker, options] of [
      [often(firstCome()), {}],
      [firstCome(), { accept: { within: 1_000 } }],
      [firstCome(), { refill: true }],
    ] as const)
      expect(() => matchmake(matchmaker, options)).toThrow('service is missing');
    start(firstCome());
  });
});

describe('later', () => {
  test('players are linked over the control API', async () => {
    start(often(firstCome()));
    for (const id of ['a', 'b']) expect(await players.open(id)).toEqual({});
    await linked('a', 'b');
    await until(async () => (await stateOf('a')) === 'matched', 'a to be matched');
  });

  test('who has closed is out of the pool', async () => {
    start(often(firstCome()));
    await players.open('a');
    await players.close('a');
    await players.open('b');
    await players.open('c');
    await linked('b', 'c');
  });

  test('a match that cannot be linked puts its players back first in line, without who is gone', async () => {
    start({ ...often(teams({ size: 1 })) });
    await players.open('a');
    pass(1);
    await players.open('b');
    // nobody has told the matchmaker yet
    service.drop('b');
    await until(async () => (await stateOf('b')) === 'cancelled', 'b to be out');
    pass(1);
    service.fail = () => 'unreachable';
    await players.open('c');
    await until(() => failures.length > 0, 'a match that the service did not hear of');
    pass(1);
    await players.open('d');
    service.fail = () => undefined;
    await linked('a', 'c');
    expect(await waiting()).toEqual(['d']);
  });

  test('a peer that is not open yet is waited for; nobody is matched before it is', async () => {
    const asked: string[] = [];
    start(often(firstCome()));
    const link = service.link.bind(service);
    service.link = async (socketId, wish) => {
      if (asked.length === 0 && 'peer' in wish) service.sockets.get(wish.peer)!.status = 'opening';
      const answer = await link(socketId, wish);
      asked.push(answer.status);
      return answer;
    };
    for (const id of ['a', 'b']) await players.open(id);
    await until(() => asked.length > 0, 'the link to be asked for');
    expect(asked).toEqual(['waiting']);
    await matchmaking.stop();
    expect(await stateOf('a')).toBe('proposed');
    service.opened('b');
    await linked('a', 'b');
    pass(30_000);
    start(often(firstCome()));
    await until(async () => (await stateOf('a')) === 'matched', 'the link to be found');
    expect(asked).toEqual(['waiting']);
  });

  test('who still waits for a peer that never opened searches on', async () => {
    start(often(firstCome()));
    const link = service.link.bind(service);
    let asked: string | undefined;
    service.link = async (socketId, wish) => {
      if (asked === undefined && 'peer' in wish) service.sockets.get(wish.peer)!.status = 'opening';
      asked ??= socketId;
      return link(socketId, wish);
    };
    for (const id of ['a', 'b']) await players.open(id);
    await until(() => service.sockets.get('a')!.status === 'waiting', 'a to wait');
    service.drop('b');
    pass(30_000);
    await until(async () => (await stateOf('b')) === 'cancelled', 'b to be out');
    expect(await stateOf('a')).toBe('searching');
    await players.open('c');
    await linked('a', 'c');
  });

  test('who leaves while the link is made leaves nobody behind in it', async () => {
    start(often(firstCome()));
    const link = service.link.bind(service);
    service.link = async (socketId, wish) => {
      const answer = await link(socketId, wish);
      service.link = link;
      await matchmaking.close(openOf('b'));
      return answer;
    };
    for (const id of ['a', 'b']) await players.open(id);
    await until(() => service.link === link && players.peers('a').length === 0, 'a to be free again');
    expect(await waiting()).toEqual(['a']);
    expect(await stateOf('b')).toBe('cancelled');
  });

  test('a search that came to nothing is over after maxWait', async () => {
    start(often(firstCome()), { maxWait: 60_000 });
    await players.open('a');
    pass(60_000);
    await until(() => service.closed.get('a') === CLOSES.timedOut.code, 'a to be closed');
    expect(await stateOf('a')).toBe('timed-out');
  });

  test('however many searches are over, and however many have left before, all hear of it in one look', async () => {
    start(often(firstCome()));
    await matchmaking.stop();
    const never: Matchmaker = { interval: 5, match: () => [] };
    const enter = (id: string) =>
      pool.enter({ socketId: id, tenant: 't', queue: 'q', player: { id }, maxWait: 60_000 });
    const names = Array.from({ length: 450 }, (_, i) => `s${i}`);
    for (const id of names) service.sockets.set(id, { status: 'open', peers: [], heard: [] });
    for (const id of names) await enter(id);
    for (const id of names.slice(0, 220)) await players.close(id);
    pass(60_000);
    start(never, { maxWait: 60_000 });
    // the clock stands, so that there is no second look
    await until(() => service.closed.size === 230, 'all to be closed');
  });

  test('a close that the service did not hear of is tried again', async () => {
    let tried = 0;
    service.fail = (what) => (what === 'close' && tried++ === 0 ? 'unreachable' : undefined);
    start(often(firstCome()), { maxWait: 60_000 });
    await players.open('a');
    pass(60_000);
    await until(() => service.closed.get('a') === CLOSES.timedOut.code, 'a to be closed after all');
    expect(tried).toBe(2);
    expect(failures).toHaveLength(1);
  });

  test('a process that stops makes the closes that wait to be tried again', async () => {
    let away = true;
    service.fail = (what) => (what === 'close' && away ? 'unreachable' : undefined);
    start(often(firstCome()), { maxWait: 60_000 });
    for (const id of ['a', 'b']) await players.open(id, { playerId: id, mapping: id });
    pass(60_000);
    await until(() => failures.length === 2, 'both closes to fail');
    away = false;
    await matchmaking.stop();
    expect([...service.closed.keys()].sort()).toEqual(['a', 'b']);
    expect(failures).toHaveLength(2);
  });

  test('one that stops while the service is away says what stays open, and does not ask for each of them', async () => {
    let tried = 0;
    service.close = async () => {
      tried++;
      // not to be tried again before it stops
      throw Object.assign(new ServiceError('unreachable', 0, 'away'), { retryAfter: 60_000 });
    };
    start(often(firstCome()), { maxWait: 60_000 });
    for (let i = 0; i < 90; i++) await players.open(`s${i}`, { mapping: `m${i}` });
    pass(60_000);
    await until(() => failures.length === 90, 'all closes to fail');
    tried = 0;
    await matchmaking.stop();
    expect(tried).toBe(64);
    expect(failures.slice(90).map(String)).toEqual(['Error: 90 sockets stay open']);
  });

  test('and its client is only told, where that is wanted', async () => {
    start(often(firstCome()), { maxWait: 60_000, timedOut: 'tell' });
    await players.open('a');
    pass(60_000);
    await until(() => players.heard('a').length > 0, 'a to hear of it');
    expect(players.heard('a')).toEqual([{ event: 'search-over' }]);
    expect(service.closed.size).toBe(0);
  });

  test('the older socket of a player is closed', async () => {
    start(often(firstCome()));
    await players.open('a1', { playerId: 'ann' });
    await players.open('a2', { playerId: 'ann' });
    await until(() => service.closed.get('a1') === CLOSES.replaced.code, 'the older one to be closed');
    await players.open('b');
    await linked('a2', 'b');
  });

  test('linked players get a room', async () => {
    start(often(firstCome()), { room: ({ teams }) => ({ name: 'arena', options: { sides: teams.length } }) });
    for (const id of ['a', 'b']) await players.open(id);
    await linked('a', 'b');
    expect(await players.linked('a')).toEqual({ room: { name: 'arena', options: { sides: 2 } } });
    await players.open('c');
    expect(await players.linked('c')).toBeUndefined();
  });

  test.each([
    ['a ticket twice', (all: any) => [{ teams: [[all[0]], [all[0]]] }]],
    ['a player alone', (all: any) => [{ teams: [[all[0]]] }]],
    ['a ticket that does not wait', (all: any) => [{ teams: [[all[0]], [{ ...all[1], id: 'x' }]] }]],
    ['17 players, and 16', (all: any) => (all.length < 17 ? [] : [{ teams: [all] }])],
  ])('a matchmaker that says nonsense is not believed: %s', async (wrong, match) => {
    start({ interval: 5, match: (all) => match(all) });
    for (let i = 0; i < 17; i++) await players.open(`s${i}`);
    await until(() => failures.length > 0, 'it to be noticed');
    expect(String(failures[0])).toContain(wrong);
    expect(await pool.size()).toBe(17);
  });

  test('a matchmaker that throws is asked again', async () => {
    let throws = true;
    const pairs = firstCome();
    start({
      interval: 5,
      match(...asked) {
        if (throws) throw new Error('not now');
        return pairs.match(...asked);
      },
    });
    for (const id of ['a', 'b']) await players.open(id);
    await until(() => failures.length > 0, 'it to fail');
    throws = false;
    await linked('a', 'b');
  });
});

test('whoever comes later takes the place of one who left a running match', async () => {
  start(often(backfill(teams({ size: 2 }))), { refill: true });
  for (const id of ['a', 'b', 'c', 'd']) await players.open(id);
  await linked('a', 'b', 'c', 'd');
  await until(async () => (await stateOf('a')) === 'matched', 'the match to run');
  await players.close('c');
  await players.open('e');
  await linked('e', 'a', 'b', 'd');
  await until(async () => (await stateOf('e')) === 'matched', 'e to be in the match');
  await players.open('f');
  await players.close('e');
  await linked('f', 'a', 'b', 'd');
});

test('players with a code meet those who have it, too', async () => {
  start(privateCodes(firstCome()), { ticket: ({ data }) => ({ attributes: { code: data } }) });
  await players.open('a', { data: 'x7' });
  await players.open('b');
  await players.open('c', { data: 'y8' });
  expect(await players.open('d', { data: 'x7' })).toEqual({ peer: 'a' });
  expect(await players.open('e')).toEqual({ peer: 'b' });
});

describe('several processes with one pool', () => {
  function another(matchmaker: Matchmaker): Matchmaking {
    const one = matchmake(matchmaker, { pool, service, failed: (error) => failures.push(error) });
    others.push(one);
    return one;
  }

  test('match each player once, whichever of them heard of whom', async () => {
    start(firstCome());
    const second = new Players(service, another(firstCome()));
    const names = Array.from({ length: 40 }, (_, i) => `s${i}`);
    await Promise.all(names.map((id, i) => (i % 2 ? players : second).open(id)));
    await until(() => names.every((id) => players.peers(id).length === 1), 'all to be linked');
    for (const id of names) expect(players.peers(players.peers(id)[0]!)).toEqual([id]);
  });

  test('when one of them dies its matches are seen to by another', async () => {
    start(often(firstCome()));
    await matchmaking.stop();
    for (const id of ['a', 'b', 'c', 'd']) await players.open(id);
    // one had claimed two matches and linked one of them
    const [a, b, c, d] = await pool.waiting();
    const claim = { state: 'proposed', until: clock + 30_000 } as const;
    await pool.claim({ ...claim, id: 'linked', teams: [[a!], [b!]] });
    await service.link('a', { peer: 'b' });
    await pool.claim({ ...claim, id: 'not-linked', teams: [[c!], [d!]] });
    pass(30_000);
    another(often(firstCome()));
    await until(async () => (await stateOf('a')) === 'matched', 'the link to be found');
    await linked('c', 'd');
    expect(players.peers('a')).toEqual(['b']);
  });
});

function openOf(socketId: string) {
  return {
    ...{ kind: 'open', id: `open-${socketId}`, socketId, playerId: `player-${socketId}`, tenant: 'studio' },
    ...{ mapping: 'duel', mappingVersion: 1, epoch: 1, sequence: 1, attributes: {}, data: undefined },
  };
}
