// Making and ending links between sockets wherever they are: the store's records decide, then the rooms are told what
// holds now. A room that was not told learns it when it arrives somewhere, when it stays apart from its peers, or when
// its time to wait is over.
import { randomUUID } from 'node:crypto';
import { asBatonError, type BatonError, linkGone, socketNotFound } from '../../errors.ts';
import type { Store } from '../../store/index.ts';
import type { Log } from '../../telemetry/index.ts';
import type { TenantLog } from '../../tenants/index.ts';
import {
  close,
  expire,
  give,
  giveRoom,
  type Known,
  restore,
  serve,
  want,
  withdrawRoom,
} from './decisions.ts';
import type { Draft } from './draft.ts';
import { Ledger, Uncertain } from './ledger.ts';
import {
  aliasKey,
  linkKey,
  MAX_WAITING,
  type SocketRecord,
  socketKey,
  socketSchema,
  type Truth,
  type Wish,
  waitingKey,
} from './records.ts';
import type { At } from './seek.ts';

/** How long a room that does not answer is told again what holds, and how often. */
const TELL_MS = 60_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;

/** A hosted socket's room, as far as links go. */
export interface LinkedRoom {
  readonly roomId: string;
  readonly tenant: string;
  readonly alias: string | undefined;
  /** Version of what it was told last. */
  readonly known: number;
  readonly link: Truth['link'] | undefined;
  readonly wait: Truth['wait'] | undefined;
  /** Its open function has answered. */
  readonly settled: boolean;
  /** Its client has left, or is about to; `end` follows. */
  readonly gone: boolean;
  /** What holds now; older than what it knows is ignored. */
  learn(truth: Truth): void;
  /** What was asked for it will not be. */
  refused(error: { code: string; message: string }): void;
}

export interface LinkingOptions {
  store: Pick<Store, 'commit' | 'getMany' | 'owners'>;
  log: Pick<Log, 'warn'>;
  tenantLog: Pick<TenantLog, 'failed'>;
  /** The room of a socket of this process, unless it is about to move. */
  local(socketId: string): LinkedRoom | undefined;
  /** Epoch at which this host owns a socket. */
  epoch(socketId: string): number | undefined;
  /**
   * Calls a method of a socket's room, wherever it is; it may be called twice without harm.
   * @returns undefined when there is no such socket
   */
  call(socketId: string, method: 'learn' | 'wish' | 'tenantOf', args: unknown[]): Promise<unknown>;
}

export class Linking {
  private readonly options: LinkingOptions;
  private readonly ledger: Ledger;
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly settling = new WeakMap<LinkedRoom, Promise<void>>();
  private readonly telling = new Set<Promise<void>>();
  private stopped = false;

  constructor(options: LinkingOptions) {
    this.options = options;
    this.ledger = new Ledger(options.store);
  }

  stop(): Promise<void> {
    this.stopped = true;
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
    return this.idle();
  }

  /** Resolves when every room has been told what it is to know. */
  async idle(): Promise<void> {
    while (this.telling.size > 0) await Promise.all(this.telling);
  }

  /**
   * The open function of a socket has answered, or another one of its functions: what it wants is done, and those who
   * wait for it are served; what one function wants after the other in this order. Never rejects; the room hears of
   * what it does not get.
   */
  settle(room: LinkedRoom, wish: Wish, waitMs: number): Promise<void> {
    const before = this.settling.get(room);
    const work = before
      ? before.then(() => this.fulfil(room, wish, waitMs))
      : this.fulfil(room, wish, waitMs);
    this.settling.set(room, work);
    return work;
  }

  private async fulfil(room: LinkedRoom, wish: Wish, waitMs: number): Promise<void> {
    const { log, tenantLog } = this.options;
    const { roomId: socketId } = room;
    try {
      const refused = await this.want(room, wish, waitMs);
      if (!refused) return;
      tenantLog.failed(room, refused, 'the sockets could not be linked');
      room.refused(refused);
    } catch (error) {
      log.warn({ socketId, ...wish, err: error }, 'the sockets may not be linked');
      room.refused(asBatonError(error));
      this.inBackground(this.persist(socketId, () => this.recover(socketId, waitMs)));
    }
  }

  /**
   * The same, for whoever can wait for the answer.
   * @returns why the socket does not get what it wants
   * @throws BATON_LINK_STALE, BATON_STORE_UNAVAILABLE
   */
  async want(room: LinkedRoom, wish: Wish, waitMs: number): Promise<BatonError | undefined> {
    const { roomId: socketId, tenant } = room;
    const nothing = wantsNothing(wish);
    if (nothing && !room.settled && (await this.begin(room))) return undefined;
    const ask = { wish, waitMs, epoch: this.options.epoch(socketId) };
    const named = wish.alias === undefined ? [] : [wish.alias];
    const names = [socketId, ...named];
    const keys = [
      ...names.map(socketKey),
      ...named.map((alias) => aliasKey(tenant, alias)),
      ...names.map((name) => waitingKey(tenant, name)),
      ...(wish.peers ?? []).flatMap((peer) => [socketKey(peer), aliasKey(tenant, peer)]),
    ];
    const alone = !nothing && !room.settled && wish.peers === undefined && wish.group === undefined;
    const { refused, more } = await this.decide(
      room,
      keys,
      (draft, at) => {
        const refused = want(draft, at, ask);
        const more = names.filter((name) => serve(draft, at, name));
        return { refused, more };
      },
      alone,
    );
    for (const name of more) await this.serveAll(room, name);
    if (room.wait?.peers) this.inBackground(this.doubt(room));
    return refused;
  }

  /**
   * A socket opens that wants nothing: mostly it is new and nobody waits for it, which is told in one commit.
   * @returns whether it was so
   */
  private async begin(room: LinkedRoom): Promise<boolean> {
    const { roomId: socketId, tenant } = room;
    const epoch = this.options.epoch(socketId);
    const record: SocketRecord = { tenant, state: 'open', ...(epoch === undefined ? {} : { epoch }) };
    const version = await this.options.store.commit([
      { key: socketKey(socketId), expect: 0, value: JSON.stringify(record) },
      { key: waitingKey(tenant, socketId), expect: 0, check: true },
    ]);
    if (version === undefined) return false;
    this.tell(socketId, { version });
    return true;
  }

  /**
   * What the control API wants of a socket, which may be on any host.
   * @throws BATON_SOCKET_NOT_FOUND, and whatever else is in the way
   */
  async link(tenant: string, socketId: string, wish: Wish): Promise<{ waits: boolean; peers: string[] }> {
    await this.find(tenant, socketId);
    const answer = await this.options.call(socketId, 'wish', [wish]);
    if (answer === undefined) throw socketNotFound({ socketId });
    return answer as { waits: boolean; peers: string[] };
  }

  /** Ends a socket's link or its waiting. @throws BATON_SOCKET_NOT_FOUND */
  async unlink(tenant: string, socketId: string): Promise<void> {
    await this.find(tenant, socketId);
    const ask = { wish: { unlink: true }, waitMs: 0 };
    const refused = await this.decide({ tenant, roomId: socketId }, [socketKey(socketId)], (draft, at) =>
      want(draft, at, ask),
    );
    if (refused) throw refused;
  }

  /**
   * A room was made for the link of a socket.
   * @returns the one that the link has now; undefined when it has ended, or is to have none
   * @throws BATON_STORE_UNAVAILABLE; then it may have it all the same
   */
  giveRoom(room: LinkedRoom, linkId: string, roomId: string): Promise<string | undefined> {
    return this.decide(room, [linkKey(room.tenant, linkId)], (draft) => giveRoom(draft, linkId, roomId));
  }

  /** No room can be made for the link of a socket. @throws BATON_STORE_UNAVAILABLE */
  withdrawRoom(room: LinkedRoom, linkId: string): Promise<void> {
    return this.decide(room, [linkKey(room.tenant, linkId)], (draft) => withdrawRoom(draft, linkId));
  }

  private async find(tenant: string, socketId: string): Promise<void> {
    const found = await this.decide({ tenant, roomId: socketId }, [socketKey(socketId)], (draft) =>
      draft.socket(socketId),
    );
    if (found?.tenant !== tenant || found.state !== 'open') throw socketNotFound({ socketId });
  }

  /** A socket of this host is no more. @throws BATON_STORE_UNAVAILABLE */
  async end({ roomId, tenant, link }: Pick<LinkedRoom, 'roomId' | 'tenant' | 'link'>): Promise<void> {
    clearTimeout(this.timers.get(roomId));
    this.timers.delete(roomId);
    await this.bury(tenant, roomId, link?.id);
  }

  /**
   * A socket is no more: its peers, and those who wait for it, are told.
   * @param known its link as far as is known
   */
  async bury(tenant: string, socketId: string, known?: string): Promise<void> {
    const about = { tenant, roomId: socketId };
    const names = await this.decide(about, [socketKey(socketId)], (draft, at) => close(draft, at, known));
    for (const name of names) await this.serveAll(about, name);
  }

  private async serveAll(about: { tenant: string; roomId: string }, name: string): Promise<void> {
    const keys = [waitingKey(about.tenant, name), socketKey(name), aliasKey(about.tenant, name)];
    for (let more = true, served = 0; more && served < MAX_WAITING; served++)
      more = await this.decide(about, keys, (draft, at) => serve(draft, at, name));
  }

  /**
   * A room looks whether what it knows still holds: it arrived here, or is apart from its peers for too long, or the
   * store lost its records.
   */
  async sync(room: LinkedRoom): Promise<void> {
    if (!room.settled || room.gone) return;
    const { roomId: socketId, tenant, alias, link } = room;
    const known: Known = { epoch: this.options.epoch(socketId), alias, link };
    const keys = [socketKey(socketId), waitingKey(tenant, socketId)];
    const truth = await this.decide(room, keys, (draft, at) => {
      if (room.gone || !restore(draft, at, known)) return draft.truth(socketId);
      serve(draft, at, socketId);
      return undefined;
    });
    if (truth) room.learn(truth);
  }

  /** Of these rooms, those that the store does not know as open sockets are put back. @throws BATON_STORE_UNAVAILABLE */
  async restore(rooms: LinkedRoom[]): Promise<void> {
    const settled = rooms.filter((room) => room.settled && !room.gone);
    const found = await this.options.store.getMany(settled.map(({ roomId }) => socketKey(roomId)));
    for (const room of settled) {
      const record = found.get(socketKey(room.roomId));
      if (!record || socketSchema.parse(JSON.parse(record.value)).state !== 'open') await this.sync(room);
    }
  }

  /** The store did not answer when a socket wanted something: it may have been done. */
  private async recover(socketId: string, waitMs: number): Promise<void> {
    const room = this.options.local(socketId);
    if (!room || room.gone) return;
    if (!room.settled) await this.want(room, {}, waitMs);
  }

  private async syncHere(socketId: string): Promise<void> {
    const room = this.options.local(socketId);
    if (room) await this.sync(room);
  }

  /** Sees to it that a socket stops waiting in time; called again wherever it arrives. */
  watch(room: LinkedRoom): void {
    const { roomId: socketId, tenant, wait } = room;
    clearTimeout(this.timers.get(socketId));
    this.timers.delete(socketId);
    if (!wait || this.stopped) return;
    const since = Date.now();
    const due = () => {
      this.timers.delete(socketId);
      this.inBackground(
        this.persist(socketId, async () => {
          const about = { tenant, roomId: socketId };
          const waited = Math.max(wait.until - since, 0);
          await this.decide(about, [socketKey(socketId)], (draft, at) => expire(draft, at, waited));
          await this.syncHere(socketId);
        }),
      );
    };
    this.timers.set(socketId, setTimeout(due, Math.max(0, wait.until - since) + 1).unref());
  }

  /**
   * A room runs under a name that is waited for, and has no record: it is yet to open, or it never will, because it is
   * no socket of this tenant.
   */
  private async doubt({ roomId: socketId, tenant, wait }: LinkedRoom): Promise<void> {
    const { peers = [] } = wait!;
    const owners = await this.options.store.owners(peers);
    for (const peer of owners.keys()) {
      const theirs = await this.options.call(peer, 'tenantOf', []).catch((error: unknown) => {
        const { code } = asBatonError(error);
        return code === 'BATON_SOCKET_NOT_FOUND' ? undefined : tenant;
      });
      if (theirs === tenant) continue;
      this.options.log.warn({ socketId, peer, tenant }, 'the awaited socket is none of this tenant');
      const gone = linkGone({ peer });
      await this.decide({ tenant, roomId: socketId }, [socketKey(socketId)], (draft, at) => {
        if (draft.socket(socketId)?.want?.listed.includes(peer)) give(draft, socketId, gone, at.now);
      });
    }
  }

  /** Decides, and tells every room about which something has changed. */
  private async decide<T>(
    { tenant, roomId: socketId }: { tenant: string; roomId: string },
    keys: string[],
    decide: (draft: Draft, at: At) => T,
    absent?: boolean,
  ): Promise<T> {
    const newLink = randomUUID(); // from Node's pool: mostly it is not used
    const run = (draft: Draft) => decide(draft, { socketId, newLink, now: Date.now() });
    const { result, truths } = await this.ledger
      .run({ tenant, socketId }, keys, run, absent)
      .catch((error) => {
        if (!(error instanceof Uncertain)) throw error;
        for (const id of error.about) this.inBackground(this.persist(id, () => this.tellAgain(tenant, id)));
        throw error.cause;
      });
    for (const [id, truth] of truths) this.tell(id, truth);
    return result;
  }

  private tell(socketId: string, truth: Truth): void {
    const room = this.options.local(socketId);
    if (room) room.learn(truth);
    else this.inBackground(this.persist(socketId, () => this.options.call(socketId, 'learn', [truth])));
  }

  /** Whatever became of a change, the room is told what holds. */
  private async tellAgain(tenant: string, socketId: string): Promise<void> {
    const { result } = await this.ledger.run({ tenant, socketId }, [socketKey(socketId)], (draft) =>
      draft.socket(socketId)?.state === 'open' ? draft.truth(socketId) : undefined,
    );
    if (result) await this.options.call(socketId, 'learn', [result]);
  }

  /** Does it again until it succeeds, for as long as somebody may profit. Never rejects. */
  private async persist(socketId: string, work: () => Promise<unknown>): Promise<void> {
    const until = Date.now() + TELL_MS;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        await work();
        return;
      } catch (error) {
        if (this.stopped || Date.now() + pause > until) {
          this.options.log.warn(
            { socketId, err: error },
            'a socket was not told how it stands with its link',
          );
          return;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, pause).unref());
    }
  }

  private inBackground(work: Promise<void>): void {
    const safe = work
      .catch((error) => this.options.log.warn({ err: error }, 'a link was not looked after'))
      .finally(() => this.telling.delete(safe));
    this.telling.add(safe);
  }
}

function wantsNothing(wish: Wish): boolean {
  for (const name in wish) if (wish[name as keyof Wish] !== undefined) return false;
  return true;
}
