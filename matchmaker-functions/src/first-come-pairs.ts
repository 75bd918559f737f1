import type { FunctionSet, OpenAnswer, SocketEvent } from './events.ts';

export interface PairOptions {
  /** Sockets remembered at most (waiting and paired together); past it the oldest is forgotten. Default: 100,000. */
  capacity?: number;
}

interface Entry {
  socketId: string;
  playerId: string;
  queue: string;
  /** Undefined while the socket waits. */
  answer?: OpenAnswer;
}

/**
 * A matchmaker in memory: whoever comes pairs with the one waiting longest on the same mapping. The first of two
 * gets `{}` and waits, the second `{ peer }`. A player never meets himself, a repeated call gets the answer it
 * already had, and a socket that closed is not offered to anyone.
 */
export function firstComePairs(options: PairOptions = {}): FunctionSet & { readonly waiting: number } {
  const capacity = options.capacity ?? 100_000;
  const sockets = new Map<string, Entry>();
  const queues = new Map<string, Set<Entry>>();

  const leaveQueue = (entry: Entry) => {
    const queue = queues.get(entry.queue);
    queue?.delete(entry);
    if (queue?.size === 0) queues.delete(entry.queue);
  };

  const forget = (entry: Entry) => {
    sockets.delete(entry.socketId);
    leaveQueue(entry);
  };

  const remember = (entry: Entry) => {
    sockets.set(entry.socketId, entry);
    if (sockets.size > capacity) forget(sockets.values().next().value!);
  };

  return {
    get waiting() {
      let count = 0;
      for (const queue of queues.values()) count += queue.size;
      return count;
    },

    open({ socketId, playerId, tenant, mapping }: SocketEvent): OpenAnswer {
      const known = sockets.get(socketId);
      if (known) return known.answer ?? {};

      const name = JSON.stringify([tenant, mapping]);
      const entry: Entry = { socketId, playerId, queue: name };
      const opponent = longestWaiting(queues.get(name), playerId);
      if (opponent) {
        leaveQueue(opponent);
        // The service links both ends on one answer, so the opponent's own stays empty.
        opponent.answer = {};
        entry.answer = { peer: opponent.socketId };
      } else {
        const queue = queues.get(name) ?? new Set();
        queues.set(name, queue.add(entry));
      }
      remember(entry);
      return entry.answer ?? {};
    },

    close({ socketId }: SocketEvent): void {
      const entry = sockets.get(socketId);
      if (entry) forget(entry);
    },
  };
}

function longestWaiting(queue: Set<Entry> | undefined, playerId: string): Entry | undefined {
  for (const entry of queue ?? []) if (entry.playerId !== playerId) return entry;
  return undefined;
}
