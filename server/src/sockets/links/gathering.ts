// Bringing linked sockets to one host, so that what they say to each other never leaves the process. Until they are
// together, their rooms hold messages back in order.
import type { Store } from '../../store/index.ts';
import type { Log } from '../../telemetry/index.ts';
import type { Truth } from './records.ts';

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1_000;
/** Looks after which an operator is told that linked sockets are still apart. */
const PATIENCE = 12;
/** Looks after which the records are asked with each one whether they still are linked. */
const DOUBT = 6;

export interface GatheredRoom {
  readonly roomId: string;
  readonly link: Truth['link'] | undefined;
  /** All its peers are in this process, and agree: what was held back flows. */
  readonly together: boolean;
  flush(): void;
}

export interface GatheringOptions<Room extends GatheredRoom> {
  host: string;
  store: Store;
  log: Log;
  local(socketId: string): Room | undefined;
  /** A room of this id is here, if only until it has moved. */
  present(socketId: string): boolean;
  /** The room learns what the records say. */
  sync(room: Room): Promise<void>;
  /** A peer has no owner any more, and nobody said so. */
  bury(room: Room, peer: string): Promise<void>;
  /** @throws why they stay */
  move(socketIds: string[], host: string): Promise<void>;
}

/**
 * Where linked sockets meet: on the host that has most of them already, and of two such on that of the lowest id. A
 * host that is draining, or has none of them, is no such place. All who look decide the same.
 * @param owners socket id → host id
 * @param up     hosts that take rooms
 */
export function meetingPlace(
  members: string[],
  owners: ReadonlyMap<string, string>,
  up: ReadonlySet<string>,
): string | undefined {
  const counts = new Map<string, number>();
  for (const member of [...members].sort()) {
    const host = owners.get(member);
    if (host !== undefined && up.has(host)) counts.set(host, (counts.get(host) ?? 0) + 1);
  }
  const most = Math.max(...counts.values());
  return [...counts].find(([, count]) => count === most)?.[0];
}

export class Gathering<Room extends GatheredRoom> {
  private readonly options: GatheringOptions<Room>;
  private readonly running = new Set<string>();
  private stopped = false;

  constructor(options: GatheringOptions<Room>) {
    this.options = options;
  }

  stop(): void {
    this.stopped = true;
  }

  /** Goes on in the background until the socket is with its peers, elsewhere or without any. */
  begin(room: Room): void {
    if (!room.link || this.reunite(room) || this.running.has(room.roomId)) return;
    const { roomId } = room;
    this.running.add(roomId);
    this.run(roomId)
      .catch((error) => this.options.log.error({ socketId: roomId, err: error }, 'gathering failed'))
      .finally(() => this.running.delete(roomId));
  }

  /** All are here: what was held back flows. */
  private reunite(room: Room): boolean {
    if (!room.together) return false;
    for (const id of [room.roomId, ...room.link!.peers]) this.options.local(id)?.flush();
    return true;
  }

  private async run(socketId: string): Promise<void> {
    const { options } = this;
    let pause = FIRST_PAUSE_MS;
    let link: string | undefined;
    let lost: string[] = [];
    await new Promise(setImmediate); // sockets that move together arrive one after the other in one tick
    for (let look = 1; !this.stopped; look++) {
      const room = options.local(socketId);
      if (!room) {
        if (!options.present(socketId)) return; // its arrival elsewhere goes on from there
      } else {
        if (!room.link || room.link.peers.length === 0 || this.reunite(room)) return;
        if (room.link.id !== link) [link, look, pause] = [room.link.id, 1, FIRST_PAUSE_MS];
        lost = await this.step(room, look > DOUBT, lost);
      }
      if (look === PATIENCE)
        options.log.warn({ socketId, link }, 'linked sockets are still apart; their messages wait');
      await new Promise((resolve) => setTimeout(resolve, pause).unref());
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    }
  }

  /**
   * @param lost peers without an owner at the look before: hosts need a moment to claim their rooms from a store that
   *   lost its data
   * @returns those without one now
   */
  private async step(room: Room, doubt: boolean, lost: string[]): Promise<string[]> {
    const { options } = this;
    const { roomId } = room;
    try {
      if (doubt) await options.sync(room);
      if (!room.link) return [];
      const members = [roomId, ...room.link.peers];
      const [owners, hosts] = await Promise.all([options.store.owners(members), options.store.hosts()]);
      const missing = doubt ? members.filter((id) => !owners.has(id) && id !== roomId) : [];
      for (const peer of missing) if (lost.includes(peer)) await options.bury(room, peer);
      const up = new Set(hosts.filter(({ state }) => state === 'up').map(({ id }) => id));
      const at = new Map([...owners].map(([id, { host }]) => [id, host]));
      const place = meetingPlace(members, at, up);
      if (place === undefined || place === options.host) return missing;
      // one of them takes along all that are here
      const here = members.filter((id) => options.local(id) !== undefined).sort();
      if (here[0] === roomId) await options.move(here, place);
      return missing;
    } catch (error) {
      options.log.debug({ socketId: roomId, err: error }, 'the sockets are not together yet');
      return [];
    }
  }
}
