import type { Presence } from '@colyseus/core';
import { expect, test } from '@jest/globals';
import type { Space } from '../backend.ts';
import { Inbox, until } from '../support.ts';

/** Colyseus' presence: publish and subscribe, and every data method. */
export function presence(space: () => Promise<Space>): void {
  const two = async (): Promise<[Presence, Presence]> => {
    const shared = await space();
    return [(await shared.open()).presence, (await shared.open()).presence];
  };

  test('messages reach every subscriber, its own process included, in the order of publishing', async () => {
    const [a, b] = await two();
    const [mine, theirs] = [new Inbox(), new Inbox()];
    await a.subscribe('topic', mine.receive);
    await b.subscribe('topic', theirs.receive);
    const numbers = Array.from({ length: 300 }, (_, at) => at);
    for (const number of numbers) a.publish('topic', number);
    expect(await mine.have(300)).toEqual(numbers);
    expect(await theirs.have(300)).toEqual(numbers);
  });

  test('a message is JSON; undefined becomes false', async () => {
    const [a, b] = await two();
    const inbox = new Inbox();
    await a.subscribe('topic', inbox.receive);
    const sent = [
      { a: [1, null, 'ž'], d: new Date(0), u: undefined },
      'text',
      null,
      undefined,
      [0, { id: 1 }],
    ];
    for (const message of sent) await b.publish('topic', message);
    const expected = [
      { a: [1, null, 'ž'], d: '1970-01-01T00:00:00.000Z' },
      'text',
      null,
      false,
      [0, { id: 1 }],
    ];
    expect(await inbox.have(5)).toEqual(expected);
  });

  test('each listener is called, until it is removed; without one named all are', async () => {
    const [a, b] = await two();
    const [first, second, other] = [new Inbox(), new Inbox(), new Inbox()];
    await a.subscribe('topic', first.receive);
    await a.subscribe('topic', second.receive);
    await a.subscribe('other', other.receive);
    await b.publish('topic', 1);
    await second.have(1);
    await a.unsubscribe('topic', first.receive);
    await b.publish('topic', 2);
    await second.have(2);
    await a.unsubscribe('topic');
    await b.publish('topic', 3);
    await b.publish('other', 'end');
    await other.have(1);
    expect([first.messages, second.messages, other.messages]).toEqual([[1], [1, 2], ['end']]);
  });

  test('a listener that throws does not keep the message from the next', async () => {
    const [a, b] = await two();
    const inbox = new Inbox();
    await a.subscribe('error', () => {
      throw new Error('listener');
    });
    await a.subscribe('error', inbox.receive);
    await b.publish('error', 1);
    await b.publish('error', 2);
    expect(await inbox.have(2)).toEqual([1, 2]);
  });

  test('a room that inherits from presence uses it as the original', async () => {
    const [a, b] = await two();
    const scoped = Object.create(a) as Presence;
    const inbox = new Inbox();
    await scoped.subscribe('topic', inbox.receive);
    await b.publish('topic', 'x');
    await inbox.have(1);
    await scoped.hset('hash', 'field', 'v');
    expect(await b.hget('hash', 'field')).toBe('v');
    await scoped.unsubscribe('topic', inbox.receive);
    expect(await b.channels()).toEqual([]);
  });

  test('channels lists topics with subscribers, by pattern; a client that leaves takes its own along', async () => {
    const shared = await space();
    const [a, b] = [await shared.open(), await shared.open()];
    const ignore = () => {};
    for (const topic of ['p:one', 'p:two', 'q:one', 'p.three']) await a.presence.subscribe(topic, ignore);
    await b.presence.subscribe('p:one', ignore);
    const channels = async (pattern?: string) => (await b.presence.channels(pattern)).sort();
    expect(await channels()).toEqual(['p.three', 'p:one', 'p:two', 'q:one']);
    expect(await channels('p:*')).toEqual(['p:one', 'p:two']);
    expect(await channels('?:one')).toEqual(['p:one', 'q:one']);
    expect(await channels('[pq]:t*')).toEqual(['p:two']);
    expect(await channels('none*')).toEqual([]);
    await a.close();
    await until('only b is left', async () => (await channels()).length === 1);
    expect(await channels()).toEqual(['p:one']);
  });

  test('get, set, del, exists', async () => {
    const [a, b] = await two();
    expect(await a.get('k')).toBeNull();
    expect(await a.exists('k')).toBe(false);
    await a.set('k', 'v');
    expect(await b.get('k')).toBe('v');
    expect(await b.exists('k')).toBe(true);
    await b.set('k', 5 as any);
    expect(await a.get('k')).toBe('5');
    await a.del('k');
    await a.del('k');
    expect(await b.get('k')).toBeNull();
  });

  test('setex and expire', async () => {
    const [a, b] = await two();
    await a.setex('k', 'v', 1);
    await a.set('hash', 'x');
    await a.del('hash');
    await a.hset('hash', 'f', 'v');
    await a.expire('hash', 1);
    await a.expire('none', 1);
    await a.setex('kept', 'v', 1);
    await a.set('kept', 'w');
    expect(await b.get('k')).toBe('v');
    await until('both expire', async () => !(await b.exists('k')) && !(await b.exists('hash')));
    expect(await b.get('kept')).toBe('w');
    expect(await b.exists('none')).toBe(false);
  });

  test('sets', async () => {
    const [a, b] = await two();
    for (const member of ['x', 'y', 'x']) await a.sadd('s', member);
    await b.sadd('t', 'y');
    await b.sadd('t', 'z');
    expect((await b.smembers('s')).sort()).toEqual(['x', 'y']);
    expect(await b.scard('s')).toBe(2);
    expect([await b.sismember('s', 'x'), await b.sismember('s', 'q'), await b.sismember('n', 'x')]).toEqual([
      1, 0, 0,
    ]);
    expect(await a.sinter('s', 't')).toEqual(['y']);
    expect(await a.sinter('s', 'none')).toEqual([]);
    expect(await a.sinter('s')).toHaveLength(2);
    await a.srem('s', 'x');
    await a.srem('s', 'unknown');
    await a.srem('s', 'y');
    expect(await b.smembers('s')).toEqual([]);
    expect(await b.exists('s')).toBe(false);
  });

  test('hashes', async () => {
    const [a, b] = await two();
    expect(await a.hset('h', 'f', 'v')).toBe(true);
    expect(await a.hset('h', 'f', 'w')).toBe(false);
    expect(await a.hset('h', '__proto__', 'p')).toBe(true);
    expect(await b.hget('h', 'f')).toBe('w');
    expect(await b.hget('h', 'none')).toBeNull();
    expect(await b.hget('none', 'f')).toBeNull();
    expect(Object.entries(await b.hgetall('h')).filter(([field]) => field === 'f')).toEqual([['f', 'w']]);
    expect(await b.hgetall('none')).toEqual({});
    expect(await b.hlen('h')).toBe(2);
    expect(await b.hdel('h', 'f')).toBe(true);
    expect(await b.hdel('h', 'f')).toBe(false);
    await b.hdel('h', '__proto__');
    expect([await a.hlen('h'), await a.exists('h')]).toEqual([0, false]);
    expect(await a.hincrby('h', 'n', 5)).toBe(5);
    expect(await b.hincrby('h', 'n', -7)).toBe(-2);
    expect(await a.hget('h', 'n')).toBe('-2');
  });

  test('hincrbyex counts and lets the hash expire', async () => {
    const [a, b] = await two();
    expect(await a.hincrbyex('c', 'room', 1, 1)).toBe(1);
    expect(await b.hincrbyex('c', 'room', 1, 1)).toBe(2);
    expect(await b.hincrbyex('c', 'room', -1, 1)).toBe(1);
    await until('it expires', async () => (await a.hlen('c')) === 0);
    expect(await b.hincrbyex('c', 'room', 1, 1)).toBe(1);
  });

  test('the counts of rooms and clients per process, as Colyseus keeps them', async () => {
    const [a, b] = await two();
    a.hset('roomcount', 'p1', '3,10');
    b.hset('roomcount', 'p2', '1,2');
    await a.hset('roomcount', 'p1', '2,8');
    expect(await b.hgetall('roomcount')).toEqual({ p1: '2,8', p2: '1,2' });
    await b.hdel('roomcount', 'p1');
    expect(await a.hgetall('roomcount')).toEqual({ p2: '1,2' });
  });

  test('counters', async () => {
    const [a, b] = await two();
    const counted = await Promise.all(Array.from({ length: 20 }, (_, at) => (at % 2 ? a : b).incr('n')));
    expect(counted.sort((x, y) => x - y)).toEqual(Array.from({ length: 20 }, (_, at) => at + 1));
    expect(await b.decr('n')).toBe(19);
    expect(await a.decr('m')).toBe(-1);
    expect(await b.get('m')).toBe('-1');
    await a.set('text', 'abc');
    await expect(a.incr('text')).rejects.toThrow('not an integer');
  });

  test('lists', async () => {
    const [a, b] = await two();
    expect(await a.rpush('l', 'b', 'c')).toBe(2);
    expect(await b.lpush('l', 'a', 'z')).toBe(4);
    expect(await a.llen('l')).toBe(4);
    expect([await b.lpop('l'), await b.rpop('l')]).toEqual(['z', 'c']);
    expect([await b.lpop('l'), await b.lpop('l')]).toEqual(['a', 'b']);
    expect([await a.lpop('l'), await a.rpop('l'), await a.llen('l')]).toEqual([null, null, 0]);
    expect(await a.exists('l')).toBe(false);
    await a.set('text', 'x');
    await expect(a.rpush('text', 'y')).rejects.toThrow('WRONGTYPE');
  });

  test('brpop takes the last of the first list that has one, or waits, or gives up', async () => {
    const [a, b] = await two();
    await a.rpush('two', 'x', 'y');
    expect(await b.brpop('one', 'two', 5)).toEqual(['two', 'y']);
    const waiting = b.brpop('one', 'three', 20);
    await a.get('whatever');
    await a.rpush('three', 'late');
    expect(await waiting).toEqual(['three', 'late']);
    expect(await b.brpop('one', 0.1)).toBeNull();
    expect(await a.llen('one')).toBe(0);
  });

  test('brpop serves who waits, each item once, and other calls meanwhile', async () => {
    const [a, b] = await two();
    const waiting = [a, b, a].map((one) => one.brpop('jobs', 20));
    expect(await a.incr('meanwhile')).toBe(1);
    for (const job of ['1', '2', '3']) await b.rpush('jobs', job);
    const served = (await Promise.all(waiting)).map((item) => item![1]);
    expect(served.sort()).toEqual(['1', '2', '3']);
  });
}
