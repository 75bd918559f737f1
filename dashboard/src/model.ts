// What the page knows: the last snapshot, with all changes since. One object, replaced with every event, so that React
// sees what is new; the long lists are maps that stay, with a number that says when they changed.
import { useSyncExternalStore } from 'react';
import type {
  WatchChange,
  WatchedCalls,
  WatchedHost,
  WatchedLetter,
  WatchedMapping,
  WatchedMove,
  WatchedQueue,
  WatchedRoom,
  WatchedSocket,
  WatchSnapshot,
} from '../../server/src/control/watch-views.ts';
import type { ApiError } from './api.ts';
import { History } from './history.ts';
import { endSession, type Session } from './session.ts';
import { follow } from './stream.ts';

export type Connection =
  | { state: 'signed-out'; why?: string }
  | { state: 'connecting' }
  | { state: 'live' }
  | { state: 'lost'; since: number; again: number; why?: string };

export interface Model {
  connection: Connection;
  session: Session | undefined;
  /** The service's clock at the last event, Unix time in ms; 0: there was none yet. */
  at: number;
  you: WatchSnapshot['you'] | undefined;
  tenants: string[];
  hosts: WatchedHost[] | undefined;
  blackouts: WatchSnapshot['blackouts'];
  rooms: ReadonlyMap<string, WatchedRoom> | undefined;
  roomsVersion: number;
  sockets: ReadonlyMap<string, WatchedSocket> | undefined;
  socketsVersion: number;
  socketCount: number;
  moves: WatchedMove[] | undefined;
  queues: WatchedQueue[] | undefined;
  calls: WatchedCalls[] | undefined;
  mappings: WatchedMapping[] | undefined;
  deadLetters: WatchedLetter[] | undefined;
  history: History;
}

const MAX_MOVES = 500;
const EMPTY: Omit<Model, 'connection' | 'session' | 'history'> = {
  at: 0,
  you: undefined,
  tenants: [],
  hosts: undefined,
  blackouts: undefined,
  rooms: undefined,
  roomsVersion: 0,
  sockets: undefined,
  socketsVersion: 0,
  socketCount: 0,
  moves: undefined,
  queues: undefined,
  calls: undefined,
  mappings: undefined,
  deadLetters: undefined,
};

let model: Model = {
  ...EMPTY,
  connection: { state: 'signed-out' },
  session: undefined,
  history: new History(),
};
let stop: (() => void) | undefined;
const listeners = new Set<() => void>();

function set(change: Partial<Model>): void {
  model = { ...model, ...change };
  for (const listener of listeners) listener();
}

export const useModel = (): Model =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => model,
  );

/** Follows what the session may see, instead of what was followed before. */
export function signIn(session: Session): void {
  stop?.();
  set({ ...EMPTY, history: new History(), session, connection: { state: 'connecting' } });
  stop = follow(session, {
    connecting: () => model.at === 0 && set({ connection: { state: 'connecting' } }),
    event: (name, data) => {
      if (name === 'snapshot') begin(data as WatchSnapshot);
      else if (name === 'change') apply(data as WatchChange);
    },
    lost,
  });
}

export function signOut(why?: string): void {
  stop?.();
  stop = undefined;
  endSession();
  set({
    ...EMPTY,
    history: new History(),
    session: undefined,
    connection: why === undefined ? { state: 'signed-out' } : { state: 'signed-out', why },
  });
}

function lost(error: ApiError | undefined, again: number | undefined): void {
  if (again === undefined) {
    signOut(
      error?.status === 403
        ? error.message
        : 'The service does not know this key: it is wrong, has expired or was revoked.',
    );
    return;
  }
  const since = model.connection.state === 'lost' ? model.connection.since : Date.now();
  const why = error ? `${error.message} (${error.code})` : undefined;
  set({ connection: { state: 'lost', since, again, ...(why ? { why } : {}) } });
}

const byId = <T>(list: T[] | undefined, id: (item: T) => string): Map<string, T> | undefined =>
  list && new Map(list.map((item) => [id(item), item]));

function begin(snapshot: WatchSnapshot): void {
  const { rooms, sockets, ...rest } = snapshot;
  set({
    ...EMPTY,
    ...rest,
    tenants: rest.tenants ?? [],
    socketCount: rest.socketCount ?? 0,
    rooms: byId(rooms, ({ roomId }) => roomId),
    roomsVersion: model.roomsVersion + 1,
    sockets: byId(sockets, ({ socketId }) => socketId),
    socketsVersion: model.socketsVersion + 1,
    connection: { state: 'live' },
  });
  model.history.add(model);
}

function apply({ rooms, sockets, moves, ...whole }: WatchChange): void {
  const change: Partial<Model> = { ...whole, connection: { state: 'live' } };
  if (rooms && model.rooms) {
    merge(model.rooms as Map<string, WatchedRoom>, rooms, ({ roomId }) => roomId);
    change.roomsVersion = model.roomsVersion + 1;
  }
  if (sockets && model.sockets) {
    merge(model.sockets as Map<string, WatchedSocket>, sockets, ({ socketId }) => socketId);
    change.socketsVersion = model.socketsVersion + 1;
  }
  if (moves) change.moves = [...moves, ...(model.moves ?? [])].slice(0, MAX_MOVES);
  set(change);
  model.history.add(model);
}

function merge<T>(
  map: Map<string, T>,
  { changed, gone }: { changed: T[]; gone: string[] },
  id: (item: T) => string,
): void {
  for (const key of gone) map.delete(key);
  for (const item of changed) map.set(id(item), item);
}

/** Whether the key may do something. What it may not is not offered. */
export function may(model: Model, scope: string): boolean {
  const { you } = model;
  if (!you?.scopes.includes(scope as never)) return false;
  return you.operator || !scope.startsWith('hosts:');
}
