import { z } from 'zod';
import { globToRegExp } from './keyspace.ts';
import { type Caller, type Method, method, name, names, type State, text } from './method.ts';
import { frame } from './wire.ts';

const side = z.enum(['left', 'right']);
const seconds = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
const texts = z.array(text).max(10_000);
const maxWaits = 1000;
/** The longest a timer can run; longer waits end there. */
const longest = 2 ** 31 - 1;

/** Topics and who listens to them. */
export const pubsubMethods: Record<string, Method> = {
  subscribe: method(z.tuple([name]), (s, [topic], caller) => {
    let subscribers = s.topics.get(topic);
    if (!subscribers) s.topics.set(topic, (subscribers = new Set()));
    subscribers.add(caller);
    caller.topics.add(topic);
  }),
  unsubscribe: method(z.tuple([name]), (s, [topic], caller) => forget(s, topic, caller)),
  publish: method(z.tuple([name, text]), (s, [topic, json]) => {
    const subscribers = s.topics.get(topic);
    if (!subscribers) return;
    const message = frame([0, topic, json]);
    for (const subscriber of subscribers) subscriber.push(message);
  }),
  channels: method(z.tuple([name]), (s, [pattern]) => {
    const wanted = globToRegExp(pattern);
    return [...s.topics.keys()].filter((topic) => wanted.test(topic));
  }),
};

/** Presence data. */
export const presenceMethods: Record<string, Method> = {
  exists: method(z.tuple([name]), (s, [k]) => s.keyspace.exists(k)),
  set: method(z.tuple([name, text]), (s, [k, v]) => s.keyspace.set(k, v)),
  setex: method(z.tuple([name, text, seconds]), (s, [k, v, ttl]) => s.keyspace.setex(k, v, ttl)),
  expire: method(z.tuple([name, seconds]), (s, [k, ttl]) => s.keyspace.expire(k, ttl)),
  get: method(z.tuple([name]), (s, [k]) => s.keyspace.get(k)),
  del: method(z.tuple([name]), (s, [k]) => s.keyspace.del(k)),
  incrby: method(z.tuple([name, z.int()]), (s, [k, by]) => s.keyspace.incrBy(k, by)),
  sadd: method(z.tuple([name, texts]), (s, [k, all]) => {
    for (const v of all) s.keyspace.sadd(k, v);
  }),
  srem: method(z.tuple([name, texts]), (s, [k, all]) =>
    all.reduce((removed, v) => removed + s.keyspace.srem(k, v), 0),
  ),
  smembers: method(z.tuple([name]), (s, [k]) => s.keyspace.smembers(k)),
  sismember: method(z.tuple([name, text]), (s, [k, v]) => s.keyspace.sismember(k, v)),
  scard: method(z.tuple([name]), (s, [k]) => s.keyspace.scard(k)),
  sinter: method(z.tuple([names]), (s, [all]) => s.keyspace.sinter(all)),
  hset: method(z.tuple([name, text, text]), (s, [k, f, v]) => s.keyspace.hset(k, f, v)),
  hincrby: method(z.tuple([name, text, z.int()]), (s, [k, f, by]) => s.keyspace.hincrby(k, f, by)),
  hincrbyex: method(z.tuple([name, text, z.int(), seconds]), (s, [k, f, by, ttl]) => {
    const next = s.keyspace.hincrby(k, f, by);
    s.keyspace.expire(k, ttl);
    return next;
  }),
  hget: method(z.tuple([name, text]), (s, [k, f]) => s.keyspace.hget(k, f)),
  hgetall: method(z.tuple([name]), (s, [k]) => s.keyspace.hgetall(k)),
  hdel: method(z.tuple([name, text]), (s, [k, f]) => s.keyspace.hdel(k, f)),
  hlen: method(z.tuple([name]), (s, [k]) => s.keyspace.hlen(k)),
  llen: method(z.tuple([name]), (s, [k]) => s.keyspace.llen(k)),
  push: method(z.tuple([name, side, texts.min(1)]), (s, [k, end, values]) => s.keyspace.push(k, end, values)),
  pop: method(z.tuple([name, side]), (s, [k, end]) => s.keyspace.pop(k, end)),
  brpop: method(z.tuple([names.min(1), seconds]), (s, [all, ttl], caller) => brpop(s, all, ttl, caller)),
};

/** Ends what a connection subscribed to and waits for. */
export function leave(state: State, caller: Caller): void {
  for (const topic of [...caller.topics]) forget(state, topic, caller);
  for (const end of [...caller.waits]) end();
}

function forget(state: State, topic: string, caller: Caller): void {
  caller.topics.delete(topic);
  const subscribers = state.topics.get(topic);
  subscribers?.delete(caller);
  if (subscribers?.size === 0) state.topics.delete(topic);
}

type Popped = [key: string, value: string] | null;

/** @param timeout seconds; 0 waits for as long as the connection lasts, as in Redis */
function brpop(state: State, keys: string[], timeout: number, caller: Caller): Popped | Promise<Popped> {
  const popped = state.keyspace.popFirst(keys);
  if (popped) return popped;
  if (caller.waits.size >= maxWaits) throw new Error(`more than ${maxWaits} calls of brpop at a time`);
  return new Promise((resolve) => {
    const finish = (result: Popped) => {
      clearTimeout(timer);
      endWait();
      caller.waits.delete(giveUp);
      resolve(result);
    };
    const giveUp = () => finish(null);
    const timer = timeout > 0 ? setTimeout(giveUp, Math.min(longest, timeout * 1000)) : undefined;
    const endWait = state.keyspace.awaitFirst(keys, finish);
    caller.waits.add(giveUp);
  });
}
