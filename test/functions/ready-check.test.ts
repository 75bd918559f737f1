import { CLOSES, firstCome } from '@baton/functions';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { until } from '../support/service.ts';
import {
  begin,
  clock,
  end,
  linked,
  matchmaking,
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
    pass(1);
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
    pass(15_000);
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
    pass(20_000);
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
    pass(15_000);
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
    pass(15_000);
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
