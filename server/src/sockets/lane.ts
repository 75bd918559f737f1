// The short way between linked sockets whose clients speak plainly. Rooms are slow objects: Colyseus gives each one
// accessors of its own, so that V8 keeps them as hash tables, and to look at two of them for each message costs more than
// the message. What has to hold for passing it on is looked at once, and again when a link or a mapping has changed.
import type { Room } from '@colyseus/core';
import { tooManyMessages } from '../errors.ts';
import { type RoomTrack, trackOf } from '../migration/index.ts';
import { counters } from '../telemetry/index.ts';
import { type Connection, ReadyState, type Shortcut } from '../transport/index.ts';
import { waitFor } from './backpressure.ts';
import { CloseCode } from './close-codes.ts';
import type { MessageRate } from './message-rate.ts';
import type { HostedSocket } from './service.ts';

/** Counts what may have changed for some lane. */
let changes = 0;

/** To be called when a socket of this process has other links than before, or another mapping. */
export function lanesChanged(): void {
  changes++;
}

/** Begins text that may be for the service, or has to be translated. */
const EVENT = 0x01;
const TEXT = { binary: false };
const BINARY = { binary: true };

interface Exit {
  connection: Connection;
  /** Of the room: no longer live once its socket moves. */
  track: RoomTrack;
}

class Lane implements Shortcut {
  private readonly room: HostedSocket;
  private readonly entry: Connection;
  private readonly exits: readonly Exit[];
  private readonly rate: MessageRate;
  private readonly limit: number;
  private readonly volatile: boolean;
  private readonly asOf = changes;

  constructor(room: HostedSocket, entry: Connection, exits: readonly Exit[]) {
    this.room = room;
    this.entry = entry;
    this.exits = exits;
    this.rate = room.rate;
    this.limit = room.mapping.maxMessagesPerSecond;
    this.volatile = room.mapping.volatile;
  }

  take(data: Uint8Array, isBinary: boolean): boolean {
    if (!this.isOpen() || (!isBinary && data[0] === EVENT)) {
      this.entry.shortcut = undefined; // the long way opens another one behind what went there
      return false;
    }
    const { entry, exits, limit } = this;
    if (!this.rate.admits(entry, limit)) {
      this.room.end(CloseCode.tooManyMessages, tooManyMessages({ limit }));
      return true;
    }
    for (let i = 0; i < exits.length; i++) {
      const { connection } = exits[i]!;
      if (this.volatile && connection.blocked) {
        counters.messagesLeftOut++;
        continue;
      }
      connection.send(data, isBinary ? BINARY : TEXT);
      if (connection.blocked && !this.volatile) waitFor(entry, connection);
    }
    return true;
  }

  private isOpen(): boolean {
    if (this.asOf !== changes || this.entry.readyState !== ReadyState.OPEN) return false;
    const { exits } = this;
    for (let i = 0; i < exits.length; i++) if (exits[i]!.track.phase !== 'live') return false;
    return true;
  }
}

/**
 * Lets what a socket's client says take the short way from now on, if it can.
 * @param company its peers, who are here and know of the link; nothing is held back for them
 */
export function openLane(room: HostedSocket, company: readonly HostedSocket[]): void {
  const { connection, mapping } = room;
  if (!connection || mapping.forward !== 'peers' || !isPlain(room) || !company.every(isPlain)) return;
  const exits: Exit[] = [];
  for (const peer of company) {
    if (!peer.connection) return;
    exits.push({ connection: peer.connection, track: trackOf(peer as unknown as Room) });
  }
  connection.shortcut = new Lane(room, connection, exits);
}

/** Its client neither comes back after a loss, nor enters rooms. */
const isPlain = ({ speech }: HostedSocket): boolean => speech === 'baton.v1' || speech === 'baton.raw.v1';
