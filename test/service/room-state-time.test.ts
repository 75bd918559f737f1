// Clocks, timers, loops and patches go on where they were.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, type Room } from '@colyseus/sdk';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { House, passes } from '../support/house.ts';
import { until } from '../support/service.ts';

const app = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', 'room-state.config.ts');

let house: House;
beforeAll(async () => {
  house = await House.start(app);
});
afterAll(() => house?.stop());

/** One tick of the clock at most, and what a busy machine adds. */
const SLACK_MS = 150;

describe('the clock', () => {
  test('goes on: what a move takes has gone by', async () => {
    const roomId = await house.create('timers');
    const before = await house.call(roomId, 'clockNow');
    await house.move(roomId, 6);
    const after = await house.call(roomId, 'clockNow');
    const drift = after.elapsed - before.elapsed - (after.now - before.now);
    expect(Math.abs(drift)).toBeLessThan(SLACK_MS);
  });

  test('timers of onCreate() keep the time they have left, whichever onCreate() made', async () => {
    const roomId = await house.create('timers');
    await house.move(roomId, 4);
    const counts = () => house.call(roomId, 'counts');
    await until(async () => (await counts()).onceAt.length > 0, 'the timeout');
    await house.move(roomId, 2);
    await passes(700);
    const { onceAt, wrong, beats } = await counts();
    expect(onceAt).toHaveLength(1);
    expect(onceAt[0]).toBeGreaterThanOrEqual(600);
    expect(onceAt[0]).toBeLessThan(600 + SLACK_MS);
    expect(wrong).toEqual([]); // neither the cleared one nor the paused one
    const { elapsed } = await house.call(roomId, 'clockNow');
    expect(Math.abs(beats - elapsed / 50)).toBeLessThan(SLACK_MS / 50 + 1);
    await house.call(roomId, 'goOn');
    await until(async () => (await counts()).wrong.length > 0, 'the resumed one');
    expect((await counts()).wrong).toEqual(['paused']);
  });

  test('a timer that was cleared later stays cleared, through its field', async () => {
    const roomId = await house.create('timers');
    await house.move(roomId);
    await house.call(roomId, 'stopBeats');
    const { beats } = await house.call(roomId, 'counts');
    await house.move(roomId, 2);
    await passes(200);
    expect((await house.call(roomId, 'counts')).beats).toBe(beats);
  });

  test('bound methods run later with their arguments, once, and as often as they should', async () => {
    const roomId = await house.create('timers');
    await house.call(roomId, 'ringLater', 400, { deep: [1] }, 'two');
    await house.call(roomId, 'ringEvery', 100, 'again');
    await house.move(roomId, 5);
    const rings = async () => (await house.call(roomId, 'counts')).later as unknown[][];
    await until(async () => (await rings()).filter(([w]) => w === 'again').length >= 6, 'six rings');
    await house.move(roomId, 2);
    expect((await rings()).filter(([w]) => w !== 'again')).toEqual([[{ deep: [1] }, 'two']]);
  });
});

describe('loops', () => {
  test('a fixed timestep has every step, once', async () => {
    const roomId = await house.create('fixed');
    for (let i = 0; i < 8; i++) {
      await house.move(roomId);
      await passes(60);
    }
    const { count, broken, elapsed } = await house.call(roomId, 'steps');
    expect(broken).toEqual([]);
    // a pause of more than five steps drops some, in Colyseus as here: there was none
    expect(Math.abs(count - elapsed / 25)).toBeLessThan(4);
  });

  test('a variable one gets every millisecond, once', async () => {
    const roomId = await house.create('variable');
    for (let i = 0; i < 6; i++) {
      await house.move(roomId);
      await passes(60);
    }
    const { sum, elapsed, n } = await house.call(roomId, 'sums');
    expect(sum).toBe(elapsed);
    expect(n).toBeGreaterThan(6);
  });

  test('one that was stopped stays stopped, and the clock goes on', async () => {
    const roomId = await house.create('variable');
    await house.call(roomId, 'stop');
    const { n, elapsed } = await house.call(roomId, 'sums');
    await house.move(roomId, 3);
    await passes(250);
    const after = await house.call(roomId, 'sums');
    expect(after.n).toBe(n);
    expect(after.elapsed).toBe(elapsed); // as in Colyseus: who takes the loop away takes the clock's ticks with it
  });

  test.each(['begin', 'beginFixed'])('one that began later by a method goes on (%s)', async (method) => {
    const roomId = await house.create('lateLoop');
    await house.call(roomId, method);
    await house.move(roomId, 3);
    const steps = await house.at<number>(roomId, 'steps');
    await until(async () => (await house.at<number>(roomId, 'steps')) > steps + 5, 'more steps');
    await house.call(roomId, 'end');
    await house.move(roomId);
    const ended = await house.at<number>(roomId, 'steps');
    await passes(100);
    expect(await house.at(roomId, 'steps')).toBe(ended);
  });

  test('one that began later with a closure keeps its room, which is told why', async () => {
    const roomId = await house.create('lateLoop');
    await house.call(roomId, 'beginClosure');
    await expect(house.move(roomId)).rejects.toThrow(/BATON_ROOM_IMMOVABLE.*setTimestep/);
    const steps = await house.at<number>(roomId, 'steps');
    await until(async () => (await house.at<number>(roomId, 'steps')) > steps, 'more steps');
  });

  test('patches keep their rhythm', async () => {
    const room = await new Client(house.url).create('variable');
    await passes(300);
    const moves = [];
    for (let i = 0; i < 5; i++) {
      moves.push(...(await house.move(room.roomId)));
      await passes(130);
    }
    const { patches } = await house.call(room.roomId, 'sums');
    const gaps = (patches as number[]).slice(1).map((at, i) => at - patches[i]);
    const blackout = Math.max(...moves.map((m) => m.blackoutMs));
    expect(Math.max(...gaps) / (100 + blackout)).toBeLessThan(2);
    await room.leave();
  });
});

test('each entity keeps its own past, also after others came and went', async () => {
  const roomId = await house.create('range');
  await house.call(roomId, 'fill');
  await passes(400);
  await house.move(roomId, 2);
  for (const ms of [100, 300]) {
    const off = await house.call<number[]>(roomId, 'past', ms);
    expect(off).toHaveLength(4);
    expect(Math.max(...off.map(Math.abs))).toBeLessThan(60); // between two samples
  }
});

describe('inputs', () => {
  let room: Room;
  beforeAll(async () => {
    room = await new Client(house.url).create('inputs');
  });
  afterAll(() => room.leave());

  test('those that wait in the buffer are taken in order, once; seq and acknowledgement go on', async () => {
    const { roomId, sessionId } = room;
    const input = (room as any).input();
    let tick = 0;
    const send = () => {
      input.data.dx = 1;
      input.data.tick = ++tick;
      input.send();
    };
    for (let i = 0; i < 5; i++) send();
    await until(async () => (await house.at<number[]>(roomId, 'taken')).length === 5, 'five inputs');
    await house.call(roomId, 'hold', true);
    for (let i = 0; i < 5; i++) send();
    await until(async () => (await house.call(roomId, 'state1', sessionId)).size === 5, 'five more');
    const before = await house.call(roomId, 'state1', sessionId);
    await house.move(roomId, 3);
    expect(await house.call(roomId, 'state1', sessionId)).toEqual(before);
    expect(before).toMatchObject({ pending: [6, 7, 8, 9, 10], consumed: 5, latest: 10 });
    await house.call(roomId, 'hold', false);
    for (let i = 0; i < 5; i++) send();
    await until(async () => (await house.at<number[]>(roomId, 'taken')).length === 15, 'all inputs');
    expect(await house.at(roomId, 'taken')).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
  });

  test('the past can be looked at across moves, also as a client last saw it', async () => {
    const { roomId, sessionId } = room;
    await passes(400);
    await house.move(roomId, 2);
    for (const ms of [50, 150, 300]) {
      const { wanted, seen } = await house.call(roomId, 'past', ms);
      expect(Math.abs(seen - wanted)).toBeLessThan(60); // between two samples
    }
    const { renderTime, seen } = await house.call(roomId, 'lastSeen', sessionId);
    if (renderTime > 0) expect(seen).toBeLessThanOrEqual(renderTime + 60);
  });
});
