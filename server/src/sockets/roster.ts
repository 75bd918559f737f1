// Which sockets are on which host, kept in the store: when a host dies its sockets are known, whatever became of its
// listings. An entry may outlive its socket by a crash between two steps; who owns the socket decides.
import { matchMaker } from '@colyseus/core';

const rosterKey = (host: string) => `baton:sockets:${host}`;

export class Roster {
  private readonly host: string;

  constructor(host: string) {
    this.host = host;
  }

  async add(socketId: string, mapping: string): Promise<void> {
    await matchMaker.presence.hset(rosterKey(this.host), socketId, mapping);
  }

  /** The socket came from another host. */
  async moved(socketId: string, mapping: string, from: string): Promise<void> {
    await this.add(socketId, mapping);
    await matchMaker.presence.hdel(rosterKey(from), socketId);
  }

  async remove(socketId: string): Promise<void> {
    await matchMaker.presence.hdel(rosterKey(this.host), socketId);
  }

  async of(host: string): Promise<string[]> {
    return Object.keys((await matchMaker.presence.hgetall(rosterKey(host))) ?? {});
  }

  async forget(host: string): Promise<void> {
    await matchMaker.presence.del(rosterKey(host));
  }
}
