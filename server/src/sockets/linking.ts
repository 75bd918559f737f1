// Making and ending links between sockets wherever they are: the store's records decide, then both rooms are told.
import { matchMaker } from '@colyseus/core';
import { asBatonError, BatonError, linkGone, linkSelf, linkTaken, linkTimeout } from '../errors.ts';
import type { Store } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';
import { Links } from './links.ts';
import type { Reach } from './reach.ts';
import type { HostedSocket, Standing } from './service.ts';
import { MAX_WISHES, Wishes } from './wishes.ts';

export interface LinkingOptions {
  store: Store;
  log: Log;
  local(socketId: string): HostedSocket | undefined;
  reach: Reach;
}

export class Linking {
  private readonly options: LinkingOptions;
  private readonly links: Links;
  private readonly wishes: Wishes;
  private readonly timers = new Map<string, NodeJS.Timeout>();

  constructor(options: LinkingOptions) {
    this.options = options;
    this.links = new Links(options.store);
    this.wishes = new Wishes(options.store);
  }

  stop(): void {
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
  }

  /** The socket's open function has answered: links it with whom it wants, or who waits for it. Never rejects. */
  async settle(room: HostedSocket, waitMs: number): Promise<void> {
    const peer = room.wanted;
    try {
      if (peer !== undefined) await this.seek(room, peer, waitMs);
    } catch (error) {
      await this.give(room, peer!, error);
    }
    try {
      await this.answer(room);
    } catch (error) {
      this.options.log.warn(
        { socketId: room.roomId, err: error },
        'those who wait for a socket were not told',
      );
    }
  }

  /** Links with a socket that is open, or waits until it opens: its opening then finds the wish. */
  private async seek(room: HostedSocket, peer: string, waitMs: number): Promise<void> {
    const { roomId } = room;
    if (peer === roomId) throw linkSelf({ socketId: roomId });
    if (!(await this.wishes.add(peer, roomId, waitMs))) {
      throw linkTaken({ peer, reason: `${MAX_WISHES} others wait for it` });
    }
    const standing = await this.standingOf(peer, roomId);
    if (room.wanted !== peer) return; // it opened meanwhile, and linked
    if (standing === 'free' || standing === 'linked') await this.join(room, peer);
    else if (standing === 'taken') throw linkTaken({ peer });
    else if (standing === 'closed') throw linkGone({ peer });
    else {
      room.waitUntil = Date.now() + waitMs;
      this.watch(room);
    }
  }

  private async standingOf(socketId: string, towards: string): Promise<Standing | 'absent'> {
    try {
      const standing = await this.tell<Standing>(socketId, 'standing', [towards]);
      return standing ?? ((await this.links.isBuried(socketId)) ? 'closed' : 'absent');
    } catch (error) {
      if (error instanceof BatonError && error.code === 'BATON_SOCKET_NOT_FOUND') return 'closed';
      throw error;
    }
  }

  /** What those who waited for this socket get: the first one the link, the others an error. */
  private async answer(room: HostedSocket): Promise<void> {
    for (const waiting of await this.wishes.take(room.roomId)) {
      if (room.peer === waiting) continue;
      try {
        const standing = room.standing(waiting);
        if (standing === 'closed') throw linkGone({ peer: room.roomId });
        if (standing !== 'free' && standing !== 'linked') throw linkTaken({ peer: room.roomId });
        await this.join(room, waiting);
      } catch (error) {
        const { code, message } = asBatonError(error);
        await this.tell(waiting, 'refused', [room.roomId, code, message]).catch(() => {});
      }
    }
  }

  /** @throws BATON_LINK_TAKEN, BATON_LINK_GONE; nothing is left of the link then */
  private async join(room: HostedSocket, peer: string): Promise<void> {
    const { roomId } = room;
    await this.links.link(roomId, peer);
    let answer: string | undefined;
    try {
      answer = await this.tell<string>(peer, 'linkedWith', [roomId]);
      if (answer === 'linked' && room.linkedWith(peer) === 'linked') {
        await this.wishes.remove(peer, roomId).catch(() => {}); // it runs out; the link is made
        return;
      }
    } catch (error) {
      await this.undo(roomId, peer);
      throw linkGone({ peer }, error);
    }
    await this.undo(roomId, peer, answer === 'linked');
    throw answer === 'taken' ? linkTaken({ peer }) : linkGone({ peer });
  }

  private async undo(socketId: string, peer: string, told = true): Promise<void> {
    await this.links.unlink(socketId, peer);
    this.options.local(socketId)?.peerLeft(peer);
    if (told) await this.tell(peer, 'peerLeft', [socketId]).catch(() => {});
  }

  /** The socket does not get the link it asked for; it stays open. */
  private async give(room: HostedSocket, peer: string, error: unknown): Promise<void> {
    const { roomId } = room;
    this.options.log.warn({ socketId: roomId, peer, err: error }, 'the sockets could not be linked');
    await this.wishes.remove(peer, roomId).catch(() => {});
    const { code, message } = asBatonError(error);
    room.refused(peer, code, message);
  }

  /** Reports when a waiting socket has waited long enough; called again wherever it arrives. */
  watch(room: HostedSocket): void {
    if (room.waitUntil === 0 || room.wanted === undefined) return;
    const { roomId, wanted } = room;
    const since = Date.now();
    clearTimeout(this.timers.get(roomId));
    const look = () => {
      const now = this.options.local(roomId);
      if (!now && matchMaker.getLocalRoomById(roomId)) {
        this.timers.set(roomId, setTimeout(look, 50).unref()); // on its way out, or back
        return;
      }
      this.timers.delete(roomId);
      if (!now || now.wanted !== wanted || now.waitUntil === 0) return;
      if (Date.now() < now.waitUntil) this.watch(now);
      else void this.give(now, wanted, linkTimeout({ peer: wanted, ms: now.waitUntil - since }));
    };
    this.timers.set(roomId, setTimeout(look, Math.max(0, room.waitUntil - since)).unref());
  }

  /** The socket has closed: its peer and those who wait for it hear of it, nothing of it stays. */
  async end(room: HostedSocket): Promise<void> {
    const { roomId, wanted } = room;
    clearTimeout(this.timers.get(roomId));
    this.timers.delete(roomId);
    if (wanted !== undefined) await this.wishes.remove(wanted, roomId);
    await this.bury(roomId, room.peer);
  }

  /**
   * A socket is no more.
   * @param known its peer as far as is known
   */
  async bury(socketId: string, known?: string): Promise<void> {
    await this.links.bury(socketId);
    const peer = (await this.links.unlink(socketId)) ?? known;
    const gone = linkGone({ peer: socketId });
    const waiting = await this.wishes.take(socketId);
    await Promise.all([
      peer === undefined ? undefined : this.tell(peer, 'peerLeft', [socketId]).catch(() => {}),
      ...waiting.map((by) => this.tell(by, 'refused', [socketId, gone.code, gone.message]).catch(() => {})),
    ]);
  }

  /**
   * The peer of a local socket stays elsewhere: do both mean to be linked? One of them may not have heard of the link,
   * or of its end, when its host or the store did not answer. If they differ the records decide: the link is finished or
   * ended.
   * @returns whether they are linked
   */
  async confirm(room: HostedSocket, peer: string): Promise<boolean> {
    const { roomId } = room;
    const standing = await this.tell<Standing>(peer, 'standing', [roomId]);
    if (standing === 'linked' || standing === 'opening' || standing === undefined) return true;
    if (standing === 'free' && (await this.links.peerOf(roomId)) === peer) {
      if ((await this.tell(peer, 'linkedWith', [roomId])) === 'linked') return true;
    }
    await this.links.unlink(roomId, peer);
    room.peerLeft(peer);
    return false;
  }

  /** A local socket's peer is no more, and nobody told it. */
  async bereaved(room: HostedSocket, peer: string): Promise<void> {
    await this.links.unlink(room.roomId, peer);
    await this.bury(peer);
    room.peerLeft(peer);
  }

  /** Calls a method of a socket's room, wherever it is. @returns undefined when the socket is no more */
  private tell<T = unknown>(socketId: string, method: string, args: unknown[]): Promise<T | undefined> {
    return this.options.reach.call<T>(socketId, method, args);
  }
}
