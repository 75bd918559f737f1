// What comes to a room from elsewhere while it moves: presence messages, calls of other processes, work in flight.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@colyseus/sdk';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { House } from '../support/house.ts';
import { RedisServer } from '../support/redis.ts';
import { until } from '../support/service.ts';

const app = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', 'room-state.config.ts');

let house: House;
let redis: RedisServer | undefined;
const open = async (store: string) => {
  redis = store === 'Redis' ? await RedisServer.start() : undefined;
  house = await House.start(app, redis ? { redis: redis.url } : {});
};
const close = async () => {
  await house?.stop();
  await redis?.stop();
};

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

/** Does something over and over, several at a time, until told to stop. */
function keep(times: number, work: (n: number) => Promise<void>): { stop(): Promise<number> } {
  let going = true;
  let n = 0;
  const loop = async () => {
    while (going) await work(++n);
  };
  const all = Promise.all(Array.from({ length: times }, loop));
  return {
    stop: async () => {
      going = false;
      await all;
      return n;
    },
  };
}

describe.each(['embedded', 'Redis'])('presence, %s store', (store) => {
  beforeAll(() => open(store));
  afterAll(close);

  test('each message is handled once and in order, however often the room moves', async () => {
    const topic = 'once';
    const roomId = await house.create('topics', { topic });
    const publisher = keep(1, async (n) => {
      await house.publish(`${topic}-own`, n);
      await house.publish(`${topic}-shared`, n);
    });
    await house.move(roomId, 20);
    const n = await publisher.stop();
    const heard = () => house.call(roomId, 'heard');
    await until(
      async () => (await heard()).own.length >= n && (await heard()).same.length >= n,
      'all messages',
    );
    expect(await heard()).toEqual({ own: upTo(n), shared: upTo(n), same: upTo(n).map(String) });
    expect(n).toBeGreaterThan(20);
  });

  test('many at a time, of many publishers, none lost or doubled', async () => {
    const topic = 'many';
    const roomId = await house.create('topics', { topic });
    const publishers = keep(8, async (n) => {
      await house.publish(`${topic}-own`, n);
    });
    await house.move(roomId, 20);
    const n = await publishers.stop();
    const own = async () => (await house.call(roomId, 'heard')).own as number[];
    await until(async () => (await own()).length >= n, 'all messages');
    expect((await own()).sort((a, b) => a - b)).toEqual(upTo(n));
  });

  test('a room that stays handles what came while it was still', async () => {
    const topic = 'stays';
    const roomId = await house.create('topics', { topic });
    const publisher = keep(2, async (n) => {
      await house.publish(`${topic}-own`, n);
    });
    for (let i = 0; i < 5; i++) {
      // the new host lacks something it learns of only after the freeze
      await house.call(roomId, 'poison', true);
      await expect(house.move(roomId)).rejects.toThrow('BATON_');
      await house.call(roomId, 'poison', false);
      await house.move(roomId);
    }
    const n = await publisher.stop();
    const own = async () => (await house.call(roomId, 'heard')).own as number[];
    await until(async () => (await own()).length >= n, 'all messages');
    expect((await own()).sort((a, b) => a - b)).toEqual(upTo(n));
  });

  test('rooms that share a callback lose only their own subscription', async () => {
    const topic = 'callback';
    const rooms = [await house.create('topics', { topic }), await house.create('topics', { topic })];
    await house.move(rooms[0]!, 3);
    await house.call(rooms[0]!, 'disconnect');
    await house.publish(`${topic}-static`, 1);
    const heard = () => house.at<number[]>(rooms[1]!, 'fromStatic');
    await until(async () => (await heard()).length > 0, 'the message');
    expect(await heard()).toEqual([1]);
  });
});

describe.each(['embedded', 'Redis'])('calls of other processes, %s store', (store) => {
  beforeAll(() => open(store));
  afterAll(close);

  test.each(['quick', 'slow'])('%s ones are executed once and answered', async (method) => {
    const roomId = await house.create('calls');
    const answers: number[] = [];
    const callers = keep(4, async (n) => {
      answers.push(await house.call<number>(roomId, method, n));
    });
    await house.move(roomId, 20);
    const n = await callers.stop();
    const ascending = (a: number, b: number) => a - b;
    expect((await house.call<number[]>(roomId, 'all')).sort(ascending)).toEqual(upTo(n));
    expect(answers.sort(ascending)).toEqual(upTo(n).map((i) => i * 2));
  });

  test('errors come back as what they are', async () => {
    const roomId = await house.create('calls');
    const errors: string[] = [];
    const callers = keep(2, async () => {
      errors.push(await house.call(roomId, 'fails').then(String, (error: Error) => error.message));
    });
    await house.move(roomId, 5);
    await callers.stop();
    // core's own words for any error of a room in another process
    expect(errors.filter((e) => !/on purpose|requesting "fails/.test(e))).toEqual([]);
    expect(errors.some((e) => e.includes('on purpose'))).toBe(true);
  });
});

describe('work in flight', () => {
  beforeAll(() => open('embedded'));
  afterAll(close);

  test('a room that always handles something comes to rest, and loses no message', async () => {
    const room = await new Client(house.url).create('busy');
    const worked: number[] = [];
    room.onMessage('worked', (n: number) => worked.push(n));
    let sent = 0;
    const timer = setInterval(() => room.send('work', ++sent), 10);
    await house.move(room.roomId, 3);
    clearInterval(timer);
    await until(() => worked.length === sent, 'all answers');
    expect(worked).toEqual(upTo(sent));
    expect(await house.at(room.roomId, 'handled')).toEqual(upTo(sent));
    await room.leave();
  });

  test('handlers of bytes are waited for as others are', async () => {
    const room = await new Client(house.url).create('busy');
    const worked: number[] = [];
    room.onMessage('worked', (n: number) => worked.push(n));
    for (const n of [1, 2]) {
      room.sendBytes('bytes', Uint8Array.of(n));
      await until(async () => (await house.at(room.roomId, 'begun')) === n, 'the handler');
      await house.move(room.roomId);
    }
    await until(() => worked.length === 2, 'all answers');
    expect(await house.at(room.roomId, 'handled')).toEqual([1, 2]);
    await room.leave();
  });

  test('when it cannot rest all the same, it goes on as before', async () => {
    const room = await new Client(house.url).create('busy');
    const worked: number[] = [];
    room.onMessage('worked', (n: number) => worked.push(n));
    room.send('forever', null);
    let sent = 0;
    const timer = setInterval(() => room.send('work', ++sent), 20);
    await expect(house.move(room.roomId)).rejects.toThrow('BATON_ROOM_BUSY');
    clearInterval(timer);
    await until(() => worked.length === sent, 'all answers');
    expect(worked).toEqual(upTo(sent));
    await room.leave();
  }, 30_000);
});
