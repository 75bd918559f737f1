// Which sockets are on which host, kept in the store with what their close functions are told: when a host dies its
// sockets are known, whatever became of its listings. An entry may outlive its socket by a crash between two steps; who
// owns the socket decides.
import { matchMaker } from '@colyseus/core';
import { z } from 'zod';
import { endpointSchema } from '../mappings/index.ts';
import type { HostedSocket, Player } from './service.ts';

const rosterKey = (host: string) => `baton:sockets:${host}`;

const entrySchema = z.object({
  tenant: z.string(),
  mapping: z.string(),
  version: z.number(),
  /** Its close function, as the mapping had it when the socket was opened. */
  close: endpointSchema.optional(),
  playerId: z.string(),
  attributes: z.record(z.string(), z.unknown()).optional(),
  epoch: z.number().optional(),
});
export type Entry = z.infer<typeof entrySchema>;

/** Of a socket that no host has had before. */
const FIRST_EPOCH = 1;

export class Roster {
  private readonly host: string;
  /** Sockets that are on the list before they are there. */
  private readonly expected = new Set<string>();
  private readonly epoch: (socketId: string) => number | undefined;

  constructor(host: string, epoch: (socketId: string) => number | undefined) {
    this.host = host;
    this.epoch = epoch;
  }

  /** A socket that is being made; `add` or `remove` follows. */
  async expect(socketId: string, player: Player): Promise<void> {
    this.expected.add(socketId);
    await this.put(socketId, entryOf(player, FIRST_EPOCH));
  }

  /** Again when its attributes are known. */
  async add(room: HostedSocket): Promise<void> {
    if (this.expected.delete(room.roomId) && this.epoch(room.roomId) === FIRST_EPOCH) return;
    await this.put(room.roomId, this.entry(room));
  }

  entry(room: HostedSocket): Entry {
    return entryOf(room, this.epoch(room.roomId));
  }

  private async put(socketId: string, entry: Entry): Promise<void> {
    await matchMaker.presence.hset(rosterKey(this.host), socketId, JSON.stringify(entry));
  }

  /** The socket came from another host. */
  async moved(room: HostedSocket, from: string): Promise<void> {
    await this.add(room);
    await matchMaker.presence.hdel(rosterKey(from), room.roomId);
  }

  async remove(socketId: string): Promise<void> {
    this.expected.delete(socketId);
    await matchMaker.presence.hdel(rosterKey(this.host), socketId);
  }

  async of(host: string): Promise<Map<string, Entry>> {
    const all = Object.entries((await matchMaker.presence.hgetall(rosterKey(host))) ?? {});
    return new Map(all.map(([socketId, json]) => [socketId, entrySchema.parse(JSON.parse(json))]));
  }

  /** @returns whether this caller is the one that took the socket off a dead host's list */
  async claim(host: string, socketId: string): Promise<boolean> {
    return matchMaker.presence.hdel(rosterKey(host), socketId);
  }

  async forget(host: string): Promise<void> {
    await matchMaker.presence.del(rosterKey(host));
  }
}

function entryOf({ mapping, playerId, attributes }: Player, epoch: number | undefined): Entry {
  const { tenant, name, version, close } = mapping;
  return { tenant, mapping: name, version, close, playerId, attributes, epoch };
}
