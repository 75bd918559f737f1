import {
  backfill,
  CLOSES,
  firstCome,
  type MatchmakeOptions,
  type Matchmaker,
  type Matchmaking,
  matchmake,
  memoryPool,
  privateCodes,
  type TicketPool,
  teams,
} from '@baton/functions';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { until } from '../support/service.ts';
import { FakeService, Players } from './fake-service.ts';

let clock: number;
let service: FakeService;
let pool: TicketPool;
let players: Players;
let matchmaking: Matchmaking;
const failures: unknown[] = [];
const others: Matchmaking[] = [];

beforeEach(() => {
  clock = 1_000_000;
  service = new FakeService();
  pool = memoryPool({ now: () => clock });
  failures.length = 0;
});
afterEach(async () => {
  await Promise.all([matchmaking, ...others.splice(0)].map((each) => each.stop()));
});

function start(matchmaker: Matchmaker, options: MatchmakeOptions = {}): void {
  matchmaking = matchmake(matchmaker, {
    ...{ pool, service, failed: (error) => failures.push(error) },
    ...options,
  });
  players = new Players(service, matchmaking);
}

/** The same, in rounds that follow each other quickly. */
const often = (matchmaker: Matchmaker): Matchmaker => ({ ...matchmaker, interval: 5 });
const linked = (a: string, ...peers: string[]) =>
  until(() => players.peers(a).join() === peers.sort().join(), `${a} to be linked with ${peers}`);
const stateOf = async (socketId: string) => (await pool.get(socketId))?.state;
const waiting = async () => (await pool.waiting()).map(({ id }) => id);

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
    clock += 10_000;
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
    clock += 1;
    await players.open('b');
    // nobody has told the matchmaker yet
    service.drop('b');
    await until(async () => (await stateOf('b')) === 'cancelled', 'b to be out');
    clock += 1;
    service.fail = () => 'unreachable';
    await players.open('c');
    await until(() => failures.length > 0, 'a match that the service did not hear of');
    clock += 1;
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
    clock += 30_000;
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
    clock += 30_000;
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
    clock += 60_000;
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
    clock += 60_000;
    start(never, { maxWait: 60_000 });
    // the clock stands, so that there is no second look
    await until(() => service.closed.size === 230, 'all to be closed');
  });

  test('a close that the service did not hear of is tried again', async () => {
    let tried = 0;
    service.fail = (what) => (what === 'close' && tried++ === 0 ? 'unreachable' : undefined);
    start(often(firstCome()), { maxWait: 60_000 });
    await players.open('a');
    clock += 60_000;
    await until(() => service.closed.get('a') === CLOSES.timedOut.code, 'a to be closed after all');
    expect(tried).toBe(2);
    expect(failures).toHaveLength(1);
  });

  test('and its client is only told, where that is wanted', async () => {
    start(often(firstCome()), { maxWait: 60_000, timedOut: 'tell' });
    await players.open('a');
    clock += 60_000;
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

describe('a ready check', () => {
  const accept = (id: string, match = players.asked(id)) =>
    players.say(id, JSON.stringify({ accept: match }));
  const decline = (id: string) => players.say(id, JSON.stringify({ decline: players.asked(id) }));
  const asked = (...ids: string[]) =>
    until(() => ids.every((id) => players.asked(id) !== undefined), `${ids} to be asked`);

  beforeEach(async () => {
    start(firstCome(), {
      accept: { within: 15_000 },
      receive: ({ text }) => `you said ${text}`,
    });
    for (const id of ['a', 'b']) await players.open(id);
    await asked('a', 'b');
  });

  test('asks all players, and links them when all accept', async () => {
    expect(players.heard('a')).toEqual([
      { event: 'match-found', match: expect.any(String), players: 2, within: 15_000 },
    ]);
    await accept('a');
    expect(players.peers('a')).toEqual([]);
    expect(await stateOf('a')).toBe('accepted');
    await accept('a');
    await accept('b');
    await linked('a', 'b');
  });

  test('who declines is out, the others are first in line', async () => {
    clock += 1;
    await players.open('c');
    await accept('a');
    const first = players.asked('a');
    await decline('b');
    expect(service.closed.get('b')).toBe(CLOSES.notAccepted.code);
    expect(players.heard('a')).toContainEqual({ event: 'match-cancelled', match: first, reason: 'declined' });
    await until(
      () => players.asked('a') !== first && players.asked('c') !== undefined,
      'a and c to be asked',
    );
    await accept('a');
    await accept('c');
    await linked('a', 'c');
  });

  test('who says nothing in time is out', async () => {
    const first = players.asked('a');
    await accept('a');
    clock += 15_000;
    await until(() => service.closed.get('b') === CLOSES.notAccepted.code, 'b to be closed');
    await until(() => players.heard('a').length > 1, 'a to hear of it');
    expect(players.heard('a').at(-1)).toEqual({
      event: 'match-cancelled',
      match: first,
      reason: 'not-accepted',
    });
    expect(await waiting()).toEqual(['a']);
    expect(await accept('a', first)).toEqual({
      send: { event: 'match-cancelled', match: first, reason: 'not-accepted' },
    });
  });

  test('who leaves meanwhile takes nobody along', async () => {
    await accept('a');
    await players.close('b');
    expect(players.heard('a').at(-1)).toMatchObject({ event: 'match-cancelled', reason: 'left' });
    expect(await waiting()).toEqual(['a']);
  });

  test('who is not there to be asked does not hold the others up', async () => {
    await players.close('a');
    service.drop('b');
    await until(async () => (await waiting()).join() === 'b', 'b to wait');
    await players.open('c');
    await until(async () => (await stateOf('b')) === 'cancelled', 'b to be out');
    await until(async () => (await waiting()).join() === 'c', 'c to wait');
  });

  test('whatever else clients say is for the studio', async () => {
    for (const text of ['hello', '{"move":1}', '{"accept":7}', '{', 'null'])
      expect(await players.say('a', text)).toBe(`you said ${text}`);
  });

  test('and so is what looks like an answer, of those who play', async () => {
    const match = players.asked('a');
    await accept('a');
    await accept('b');
    await until(async () => (await stateOf('a')) === 'matched', 'a to be matched');
    expect(await accept('a', match)).toBe(`you said {"accept":"${match}"}`);
    expect(await decline('a')).toBe(`you said {"decline":"${match}"}`);
    expect(players.peers('a')).toEqual(['b']);
  });

  test('nobody is out who could not be asked', async () => {
    service.fail = (what, socketId) => (what === 'send' && socketId === 'd' ? 'unreachable' : undefined);
    for (const id of ['c', 'd']) await players.open(id);
    await until(() => players.heard('c').length > 1, 'c to hear that it is off');
    const first = players.asked('c');
    expect(players.heard('c')).toContainEqual({ event: 'match-cancelled', match: first, reason: 'failed' });
    await until(async () => (await waiting()).length > 0, 'both to wait again');
    clock += 20_000;
    service.fail = () => undefined;
    await until(() => players.asked('d') !== undefined, 'd to be asked as well');
    expect(service.closed.has('c') || service.closed.has('d')).toBe(false);
  });

  test('nobody is out whose match was claimed by a process that died before it asked', async () => {
    await matchmaking.stop();
    for (const id of ['c', 'd']) await players.open(id);
    const [c, d] = await pool.waiting();
    const claim = { state: 'proposed', asked: true, until: clock + 15_000 } as const;
    await pool.claim({ ...claim, id: 'not-asked', teams: [[c!], [d!]] });
    clock += 15_000;
    start(firstCome(), { accept: { within: 15_000 } });
    await until(async () => (await pool.get('c'))?.match !== 'not-asked', 'c to be back in line');
    expect(service.closed.has('c') || service.closed.has('d')).toBe(false);
    expect(players.heard('c')).not.toContainEqual(expect.objectContaining({ reason: 'not-accepted' }));
  });

  test('a process that stops asks to the end', async () => {
    const send = service.send.bind(service);
    const gate = Promise.withResolvers<void>();
    let sent = 0;
    service.send = async (...what) => {
      await gate.promise;
      await send(...what);
      sent++;
    };
    for (const id of ['c', 'd']) await players.open(id);
    await until(async () => (await stateOf('c')) === 'proposed', 'c to be in a match');
    const stopping = matchmaking.stop();
    gate.resolve();
    await stopping;
    expect(sent).toBe(2);
    clock += 15_000;
    expect((await pool.due()).matches.map(({ told }) => told)).toEqual([true, true]);
  });

  test('a match that somebody else is asked about cannot be answered', async () => {
    await players.open('c');
    const theirs = players.asked('a');
    expect(await accept('c', theirs)).toMatchObject({ send: { event: 'match-cancelled' } });
    await players.say('c', JSON.stringify({ decline: theirs }));
    expect(await stateOf('a')).toBe('proposed');
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
    clock += 30_000;
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
