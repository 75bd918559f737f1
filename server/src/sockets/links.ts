// Who is linked with whom, as small records of the store. A link is two records that name each other. The one of the
// lower id is taken first, with a time to live, and sealed once the other one is taken: whoever dies in between leaves
// nothing that holds, and A→B and B→A at the same time help each other to make one link.
import { linkSelf, linkTaken } from '../errors.ts';
import type { Store } from '../store/index.ts';

const linkKey = (socketId: string) => `link:${socketId}`;
const goneKey = (socketId: string) => `gone:${socketId}`;

/** How long an unfinished link holds its first record: longer than two calls of a slow store. */
const UNSEALED_MS = 5_000;
const PAUSE_MS = 10;
/** How long it is remembered that a socket has closed. */
const GONE_MS = 60_000;
/** Concurrent changes of one record that are followed before giving up. */
const MAX_ROUNDS = 16;

interface LinkRecord {
  peer: string;
  sealed: boolean;
  version: number;
}

type Held = { version: number; mine: boolean };
type Refusal = 'taken' | 'busy';

export class Links {
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  /** The peer of a socket. Only what both records say counts. */
  async peerOf(socketId: string): Promise<string | undefined> {
    const record = await this.read(socketId);
    if (!record) return undefined;
    return (await this.read(record.peer))?.peer === socketId ? record.peer : undefined;
  }

  /**
   * Links two sockets; linking the same two again changes nothing.
   * @throws BATON_LINK_SELF, BATON_LINK_TAKEN when one is linked with somebody else; then nothing is changed
   */
  async link(a: string, b: string): Promise<void> {
    if (a === b) throw linkSelf({ socketId: a });
    const [first, second] = a < b ? ([a, b] as const) : ([b, a] as const);
    const until = Date.now() + 2 * UNSEALED_MS;
    for (;;) {
      const refused = await this.attempt(first, second);
      if (refused === undefined) return;
      if (refused.why === 'taken' || Date.now() >= until) throw linkTaken({ peer: refused.socketId });
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * (1 + Math.random())));
    }
  }

  private async attempt(
    first: string,
    second: string,
  ): Promise<{ socketId: string; why: Refusal } | undefined> {
    const one = await this.take(first, second, false);
    if (typeof one === 'string') return { socketId: first, why: one };
    const two = await this.take(second, first, true).catch(async (error) => {
      if (one.mine) await this.drop(first, one.version).catch(() => {}); // else it runs out by itself
      throw error;
    });
    if (typeof two === 'string') {
      if (one.mine) await this.drop(first, one.version);
      return { socketId: second, why: two };
    }
    if (await this.seal(first, second, one.version)) return undefined;
    // the record ran out or was ended meanwhile: so is the link
    if (two.mine) await this.drop(second, two.version);
    return { socketId: first, why: 'busy' };
  }

  /** Makes a socket's record name `peer`, unless it validly names somebody else. */
  private async take(socketId: string, peer: string, sealed: boolean): Promise<Held | Refusal> {
    const value = JSON.stringify({ peer, sealed });
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const version = await this.store.set(linkKey(socketId), value, 0, sealed ? undefined : UNSEALED_MS);
      if (version !== undefined) return { version, mine: true };
      const found = await this.read(socketId);
      if (!found) continue;
      if (found.peer === peer) return { version: found.version, mine: false };
      const other = await this.read(found.peer);
      const whole = other?.peer === socketId;
      if (!found.sealed) return 'busy';
      if (whole && (await this.store.owner(found.peer))) return other.sealed ? 'taken' : 'busy';
      if (!whole && (await this.store.owner(found.peer)) && (await this.beingMade(socketId, found)))
        return 'busy';
      // half a link, or one with a socket that is no more
      await this.drop(socketId, found.version);
      if (whole) await this.drop(found.peer, other.version);
    }
    return 'busy';
  }

  /** A sealed record without its counterpart is a leftover, unless the counterpart was only just read too early. */
  private async beingMade(socketId: string, seen: LinkRecord): Promise<boolean> {
    const again = await this.read(socketId);
    if (again?.version !== seen.version) return true;
    return (await this.read(seen.peer))?.peer === socketId;
  }

  private async seal(socketId: string, peer: string, version: number): Promise<boolean> {
    const value = JSON.stringify({ peer, sealed: true });
    if ((await this.store.set(linkKey(socketId), value, version)) !== undefined) return true;
    const now = await this.read(socketId);
    return now?.peer === peer && now.sealed;
  }

  /**
   * Ends the link of a socket.
   * @param only end it only if it is with this one
   * @returns its former peer, whose own record is gone as well
   */
  async unlink(socketId: string, only?: string): Promise<string | undefined> {
    let peer: string | undefined;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const record = await this.read(socketId);
      if (!record || (only !== undefined && record.peer !== only)) return peer;
      peer = record.peer;
      const other = await this.read(peer);
      if (other?.peer === socketId && !(await this.drop(peer, other.version))) continue;
      if (await this.drop(socketId, record.version)) return peer;
    }
    return peer;
  }

  /** Remembers for a while that a socket has closed: nobody needs to wait for it. */
  async bury(socketId: string): Promise<void> {
    await this.store.set(goneKey(socketId), '1', undefined, GONE_MS);
  }

  async isBuried(socketId: string): Promise<boolean> {
    return (await this.store.get(goneKey(socketId))) !== undefined;
  }

  private drop(socketId: string, version: number): Promise<boolean> {
    return this.store.del(linkKey(socketId), version);
  }

  private async read(socketId: string): Promise<LinkRecord | undefined> {
    const found = await this.store.get(linkKey(socketId));
    if (!found) return undefined;
    return { ...(JSON.parse(found.value) as { peer: string; sealed: boolean }), version: found.version };
  }
}
