// Colyseus' presence, wrapped. Calls that reach a room in motion follow it and are executed exactly once: whoever has
// the room executes them and hands the ids over with it; whoever had it passes calls on. Messages of topics that a
// room subscribed to are handled exactly once, too: mailbox.ts says how.
import { matchMaker, type Presence, type Room } from '@colyseus/core';
import { internals } from '../../colyseus/room-internals.ts';
import { type Letter, Mailbox } from './mailbox.ts';
import { creating, type RoomTrack, type Subscription, trackOf } from './track.ts';
import { isUnlistedRoom } from './unlisted.ts';

/** `[method, requestId, args]` as core's IPC publishes it on `$roomId`. */
export type RoomCall = [string, string, unknown[]];

const LOBBY_TOPIC = '$lobby';
/** How long request ids are remembered, and calls kept for a room that arrives: longer than core waits (2 s). */
const SEEN_MS = 6_000;
const MAX_CALLS = 10_000;

type Listener = (message: any) => void;
type Mode = { kind: 'held' } | { kind: 'divert'; to: (call: RoomCall) => void };

export interface PresenceGate {
  readonly presence: Presence;
  /** Subscriptions to the room's own channel wait until `open()`. */
  hold(roomId: string): void;
  /** The room is live here: its channel is subscribed, held-back calls are answered. */
  open(roomId: string): Promise<void>;
  /**
   * Calls for the room go to `to` from now on, until `end()` is called; `end` is harmless once the room has come
   * back or is being diverted anew.
   */
  divert(roomId: string, to: (call: RoomCall) => void): { end(): void };
  /** The room goes on here after all; its cut is of no interest any more. */
  undivert(roomId: string): void;
  /** A call that another host passed on; waits while the room is still held. */
  inject(roomId: string, call: RoomCall): void;
  /** Ids of the calls that the room executed lately. */
  executed(roomId: string): string[];
  /** The room executed these before it came here. */
  inherit(roomId: string, requestIds: string[]): void;
  /** The shell of a room that did not arrive is gone. */
  drop(roomId: string): void;
  /** The room is frozen, or its shell waits: the cut of this transfer decides who handles which message. */
  expectCut(transferId: string, room: Room): void;
  /** The rooms just froze: tells both hosts where their messages are cut. */
  cut(transferId: string, rooms: Room[]): void;
  /** The room has left: what came for it between freeze and cut; its subscriptions end. Undefined without any. */
  handOver(room: Room): Promise<Letter[]> | undefined;
  /** Undoes what the room subscribed to on this host. */
  unsubscribeAll(room: Room): void;
}

/** All hosts listen to it; `[transferId, roomIds]`. */
const CUT_TOPIC = 'baton:cut';
/** Topics of core's own calls: answers to a caller, no matter of the room in whose onCreate() the call is made. */
const isFrameworkTopic = (topic: string) => topic.startsWith('ipc:') || topic.startsWith('concurrent:');

export function gatePresence(stock: Presence): PresenceGate {
  const presence = Object.create(stock) as Presence;
  const modes = new Map<string, Mode>();
  const channels = new Map<string, Listener>();
  const subscribed = new Set<string>();
  const waiting = new Map<string, { call: RoomCall; at: number }[]>();
  /** Request ids of calls that were executed: here, or where the room was before. In the order of their time. */
  const executed = new Map<string, { roomId: string; at: number }>();
  const subscriptions = new Map<string, Subscription[]>();
  /** `transferId roomId` → who waits for that cut. */
  const cuts = new Map<string, Mailbox>();
  let cutsHeard: Promise<unknown> | undefined;
  /** Calls from other processes that a room has not answered yet: they keep it in place. */
  const unanswered = new Map<string, RoomTrack>();

  /** A call may come by twice: directly, and passed on by a host that had or has the room. */
  const note = (roomId: string, requestId: unknown) => {
    const now = Date.now();
    for (const [id, { at }] of executed) {
      if (at > now - SEEN_MS) break;
      executed.delete(id);
    }
    if (typeof requestId === 'string') executed.set(requestId, { roomId, at: now });
  };

  const deliver = (roomId: string, call: RoomCall) => {
    const requestId = Array.isArray(call) ? call[1] : undefined;
    if (requestId !== undefined && executed.has(requestId)) return;
    const mode = modes.get(roomId);
    if (mode?.kind === 'divert') mode.to(call);
    else if (mode?.kind === 'held') {
      const list = waiting.get(roomId) ?? [];
      waiting.set(roomId, list);
      list.push({ call, at: Date.now() });
      if (list.length > MAX_CALLS) list.shift();
    } else {
      note(roomId, requestId);
      follow(roomId, call);
      channels.get(roomId)?.(call);
    }
  };

  const follow = (roomId: string, [, requestId]: RoomCall) => {
    const room = matchMaker.getLocalRoomById(roomId) as Room | undefined;
    if (!room || typeof requestId !== 'string') return;
    unanswered.set(requestId, trackOf(room));
    trackOf(room).enter('remote call');
  };

  presence.publish = (topic: string, data: unknown) => {
    const requestId = topic.startsWith('ipc:') ? topic.slice(4) : undefined;
    const track = requestId && unanswered.get(requestId);
    if (track) {
      unanswered.delete(requestId);
      track.leave('remote call');
    }
    return stock.publish(topic, data);
  };

  const isRoomChannel = (topic: string) => topic[0] === '$' && topic !== LOBBY_TOPIC;

  presence.subscribe = async (topic: string, callback: Function) => {
    if (isRoomChannel(topic)) {
      const roomId = topic.slice(1);
      if (isUnlistedRoom(roomId)) return presence;
      channels.set(roomId, callback as Listener);
      if (modes.get(roomId)?.kind !== 'held') await listen(roomId);
      return presence;
    }
    const room = isFrameworkTopic(topic) ? undefined : creating.getStore()?.room;
    if (!room) await stock.subscribe(topic, callback);
    else await subscribeRoom(room, topic, callback as Listener);
    return presence;
  };

  async function subscribeRoom(room: Room, topic: string, callback: Listener): Promise<void> {
    const track = trackOf(room);
    if (track.phase !== 'creating') track.lateSubscriptions.add(topic);
    const mailbox = (track.mailbox ??= mailboxOf(track));
    const listener = mailbox.add(topic, callback);
    subscriptions.set(topic, [...(subscriptions.get(topic) ?? []), { room, topic, callback, listener }]);
    cutsHeard ??= stock.subscribe(CUT_TOPIC, onCut);
    const subscribed = Promise.all([cutsHeard, stock.subscribe(topic, listener)]);
    mailbox.follow(subscribed);
    await subscribed;
  }

  function onCut([transferId, roomIds]: [string, string[]]): void {
    for (const roomId of roomIds) {
      cuts.get(`${transferId} ${roomId}`)?.cut();
      cuts.delete(`${transferId} ${roomId}`);
    }
  }

  function forgetCuts(mailbox: Mailbox | undefined): void {
    for (const [key, waiting] of cuts) if (waiting === mailbox) cuts.delete(key);
  }

  /** Takes them off the list; what listens to the store goes on. */
  function takeSubscriptions(room: Room): Subscription[] {
    const taken: Subscription[] = [];
    for (const [topic, list] of subscriptions) {
      const others = list.filter((entry) => entry.room !== room);
      if (others.length === list.length) continue;
      taken.push(...list.filter((entry) => entry.room === room));
      if (others.length > 0) subscriptions.set(topic, others);
      else subscriptions.delete(topic);
    }
    return taken;
  }

  function unsubscribeRoom(topic: string, callback: Function | undefined): Subscription[] {
    const list = subscriptions.get(topic) ?? [];
    const room = creating.getStore()?.room;
    const own = list.filter((entry) => entry.callback === callback);
    const gone =
      callback === undefined
        ? list
        : room
          ? own.filter((entry) => entry.room === room).slice(0, 1)
          : // core's own disposal does not say for which room; several may share a callback
            own.sort((a, b) => stateOf(b) - stateOf(a)).slice(0, 1);
    const left = list.filter((entry) => !gone.includes(entry));
    if (left.length > 0) subscriptions.set(topic, left);
    else subscriptions.delete(topic);
    for (const entry of gone) {
      const track = trackOf(entry.room);
      track.mailbox?.remove(topic, entry.callback);
      if (!left.some((other) => other.room === entry.room)) track.lateSubscriptions.delete(topic);
    }
    return gone;
  }
  presence.unsubscribe = (topic: string, callback?: Function) => {
    if (isRoomChannel(topic)) {
      const roomId = topic.slice(1);
      channels.delete(roomId);
      // while calls are diverted the channel stays subscribed: `end()` of the diversion finishes it
      if (modes.get(roomId)?.kind !== 'divert') unlisten(roomId);
      return presence;
    }
    const [gone] = unsubscribeRoom(topic, callback);
    return stock.unsubscribe(topic, callback ? (gone?.listener ?? callback) : undefined);
  };
  for (const method of presenceMethods) {
    const fn = stock[method] as Function | undefined;
    if (fn) (presence as unknown as Record<string, unknown>)[method] = fn.bind(stock);
  }

  async function listen(roomId: string): Promise<void> {
    if (subscribed.has(roomId) || isUnlistedRoom(roomId)) return;
    subscribed.add(roomId);
    await stock.subscribe(`$${roomId}`, (call: RoomCall) => deliver(roomId, call));
  }

  function unlisten(roomId: string): void {
    if (subscribed.delete(roomId)) stock.unsubscribe(`$${roomId}`);
  }

  return {
    presence,
    hold: (roomId) => modes.set(roomId, { kind: 'held' }),
    async open(roomId) {
      modes.delete(roomId);
      const calls = waiting.get(roomId) ?? [];
      waiting.delete(roomId);
      const oldest = Date.now() - SEEN_MS; // what came before that was executed where the room was
      for (const { call, at } of calls) if (at > oldest) deliver(roomId, call);
      await listen(roomId);
    },
    divert(roomId, to) {
      const mode: Mode = { kind: 'divert', to };
      modes.set(roomId, mode);
      return {
        end() {
          if (modes.get(roomId) !== mode) return;
          modes.delete(roomId);
          unlisten(roomId);
        },
      };
    },
    undivert(roomId) {
      modes.delete(roomId);
      // a cut that comes late must not be taken for that of the next transfer
      for (const key of cuts.keys()) if (key.endsWith(` ${roomId}`)) cuts.delete(key);
    },
    inject: deliver,
    executed(roomId) {
      const ids: string[] = [];
      for (const [id, call] of executed) if (call.roomId === roomId) ids.push(id);
      return ids.slice(-MAX_CALLS);
    },
    inherit(roomId, requestIds) {
      for (const id of requestIds) note(roomId, id);
    },
    drop(roomId) {
      modes.delete(roomId);
      waiting.delete(roomId);
      channels.delete(roomId);
      unlisten(roomId);
    },
    expectCut(transferId, room) {
      const { mailbox } = trackOf(room);
      if (mailbox) cuts.set(`${transferId} ${room.roomId}`, mailbox);
    },
    cut(transferId, rooms) {
      const roomIds = rooms.filter((room) => trackOf(room).mailbox).map((room) => room.roomId);
      if (roomIds.length === 0) return;
      // a store that is away lets no room move
      Promise.resolve(stock.publish(CUT_TOPIC, [transferId, roomIds])).catch(() => {});
    },
    handOver(room) {
      const track = trackOf(room);
      const { mailbox } = track;
      if (!mailbox) return undefined;
      track.mailbox = undefined; // what is discarded from now on is the room's, not this
      const ended = takeSubscriptions(room);
      return mailbox.upToCut().finally(() => {
        forgetCuts(mailbox);
        for (const { topic, listener } of ended) stock.unsubscribe(topic, listener);
      });
    },
    unsubscribeAll(room) {
      forgetCuts(trackOf(room).mailbox);
      for (const { topic, listener } of takeSubscriptions(room)) stock.unsubscribe(topic, listener);
    },
  };
}

/** A message's handler that returns a promise keeps the room in place, as those of clients' messages do. */
function mailboxOf(track: RoomTrack): Mailbox {
  const mailbox = new Mailbox((callback, message) => track.follow('presence message', callback(message)));
  if (!track.shell) mailbox.reopen();
  return mailbox;
}

const stateOf = ({ room }: Subscription) => internals(room)._internalState;

const presenceMethods = [
  'channels',
  'exists',
  'set',
  'setex',
  'expire',
  'get',
  'del',
  'sadd',
  'smembers',
  'sismember',
  'srem',
  'scard',
  'sinter',
  'hset',
  'hincrby',
  'hincrbyex',
  'hget',
  'hgetall',
  'hdel',
  'hlen',
  'incr',
  'decr',
  'llen',
  'rpush',
  'lpush',
  'rpop',
  'lpop',
  'brpop',
  'setMaxListeners',
  'shutdown',
] as const;
