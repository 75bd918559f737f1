// A host's part in moves: where its rooms are, sending them away, taking rooms in.
import { matchMaker, Room } from '@colyseus/core';
import {
  hostDraining,
  hostNotFound,
  moveToSelf,
  noTarget,
  roomImmovable,
  roomNotFound,
} from '../../errors.ts';
import { FdCarrier, type Peers } from '../../handoff/index.ts';
import type { HostRecord, Store } from '../../store/index.ts';
import type { Log } from '../../telemetry/index.ts';
import type { BatonTransport } from '../../transport/index.ts';
import type { RoomCall } from '../room/gates.ts';
import { formatProblems } from '../room/problems.ts';
import type { Gates } from '../room/shell.ts';
import { trackOf } from '../room/track.ts';
import type { MoveContext } from './context.ts';
import { type DrainResult, drain, isFinal, type Refusal, refusal } from './drain.ts';
import type { Ownership } from './ownership.ts';
import { Placement } from './placement.ts';
import { callSchema, METHODS, roomsSchema } from './protocol.ts';
import type { MoveOutcome, MoveResult } from './result.ts';
import { type MoveOptions, MoveSource } from './source.ts';
import { MoveTarget } from './target.ts';

/** How long one requested move waits for its room to come to rest. */
const QUIESCE_MS = 10_000;
const HOSTS_CACHE_MS = 200;
const TELL_TIMEOUT_MS = 5_000;
const REHEARSAL_ROOMS = 64;

export interface MigratorOptions {
  /** This host as it is registered; `state` is read at each use. */
  self: () => HostRecord;
  store: Store;
  handoff: Peers;
  transport: BatonTransport;
  gates: Gates;
  ownership: Ownership;
  log: Log;
  /** Rooms that must stay on one host, as lists; a room in no list is one by itself. */
  groupOf?: (roomId: string) => string[];
}

/** Where a room is, seen from this host. */
export type Whereabouts =
  | { at: 'here'; room: Room }
  | { at: 'moving'; settled: Promise<void> }
  | { at: 'elsewhere' };

export class Migrator {
  private readonly options: MigratorOptions;
  private readonly source: MoveSource;
  private readonly target: MoveTarget;
  private hostsCache: { at: number; hosts: HostRecord[] } | undefined;

  constructor(options: MigratorOptions) {
    this.options = options;
    const context = this.makeContext();
    this.source = new MoveSource(context);
    this.target = new MoveTarget(context);
    options.handoff.handle(METHODS.published, (payload) =>
      this.source.published(roomsSchema.parse(payload).rooms),
    );
    options.handoff.handle(METHODS.call, (payload) => {
      const { roomId, call } = callSchema.parse(payload);
      options.gates.presence.inject(roomId, call as RoomCall);
    });
  }

  whereabouts(roomId: string): Whereabouts {
    const departure = this.source.departure(roomId);
    if (departure && (departure.state === 'frozen' || departure.state === 'transferring')) {
      return { at: 'moving', settled: departure.settled };
    }
    const room: unknown = matchMaker.getLocalRoomById(roomId);
    // Core keeps rooms in a plain object, which has something under `__proto__` and `constructor`, too.
    if (!(room instanceof Room) || this.target.arrivals.get(roomId) || trackOf(room).phase === 'released')
      return { at: 'elsewhere' };
    return { at: 'here', room };
  }

  /** A shell of the room waits here; resolves when it became the room or was thrown away. */
  arrival(roomId: string): Promise<void> | undefined {
    return this.target.arrivals.get(roomId)?.settled;
  }

  /** Call before the host ends: no room arrives here any more. Resolves when those that are just coming are here. */
  refuseArrivals(): Promise<void> {
    return this.target.arrivals.close();
  }

  /**
   * Moves a room of this host.
   * @throws BatonError of the catalogue; the room then runs on here
   */
  async move(roomId: string, to: string): Promise<MoveResult> {
    const target = await this.host(to);
    const self = this.options.self();
    if (to === self.id) throw moveToSelf({ roomId, host: to });
    if (target.state !== 'up') throw hostDraining({ host: to });
    const group = this.options.groupOf?.(roomId) ?? [roomId];
    const outcomes = await this.source.move(group, target, this.moveOptions(QUIESCE_MS));
    const own = outcomes.find((outcome) => outcome.roomId === roomId);
    if (!own) throw roomNotFound({ roomId });
    if ('error' in own) throw own.error;
    return own.result;
  }

  /** Moves several rooms together; every room has its outcome. */
  async moveTogether(roomIds: string[], to: string, quiesceMs = QUIESCE_MS): Promise<MoveOutcome[]> {
    return this.source.move(roomIds, await this.host(to), this.moveOptions(quiesceMs));
  }

  /** Moves every room away. The caller has marked this host as draining. */
  drain(deadlineMs: number): Promise<DrainResult> {
    const { options } = this;
    return drain(
      {
        host: options.self(),
        hosts: () => options.store.hosts(),
        groups: () => this.groups(),
        clientsOf: (roomId) => matchMaker.getLocalRoomById(roomId)?.clients.length ?? 0,
        move: (roomIds, target, quiesceMs) => this.source.move(roomIds, target, this.moveOptions(quiesceMs)),
      },
      deadlineMs,
    );
  }

  private moveOptions(quiesceMs: number): MoveOptions {
    const { groupOf } = this.options;
    return { quiesceMs, ...(groupOf ? { groupOf } : {}) };
  }

  /**
   * Could every room here move to another host as it is now, those in standby included? Shells are built there and
   * thrown away; nothing else happens.
   * @returns rooms that could never move, with the reason
   */
  async rehearse(): Promise<Refusal[]> {
    const { options } = this;
    const hosts = await options.store.hosts();
    const able = hosts.map((host) => (host.state === 'standby' ? { ...host, state: 'up' as const } : host));
    const placement = new Placement(able, options.self());
    const refused: Refusal[] = [];
    const roomIds = options.ownership.rooms();
    for (let i = 0; i < roomIds.length; i += REHEARSAL_ROOMS) {
      const batch = roomIds.slice(i, i + REHEARSAL_ROOMS);
      const target = placement.next(batch.length);
      if (!target) throw noTarget({ host: options.self().id });
      for (const { roomId, error } of await this.source.rehearse(batch, target)) {
        if (isFinal(error)) refused.push(refusal(roomId, error));
      }
    }
    return refused;
  }

  /** Rooms that run here. One may still be owned and gone already: it cannot move, and keeps no drain going. */
  private groups(): string[][] {
    const groups: string[][] = [];
    const taken = new Set<string>();
    const runsHere = (roomId: string) => {
      const room = matchMaker.getLocalRoomById(roomId) as Room | undefined;
      return room !== undefined && !trackOf(room).shell && this.options.ownership.epoch(roomId) !== undefined;
    };
    for (const roomId of this.options.ownership.rooms()) {
      if (taken.has(roomId) || !runsHere(roomId)) continue;
      const group = (this.options.groupOf?.(roomId) ?? [roomId]).filter(runsHere);
      for (const id of group) taken.add(id);
      groups.push(group);
    }
    return groups;
  }

  private async host(id: string): Promise<HostRecord> {
    const found = (await this.options.store.hosts()).find((h) => h.id === id);
    if (!found) throw hostNotFound({ host: id });
    return found;
  }

  /** Live hosts, at most a moment old. */
  async hosts(): Promise<HostRecord[]> {
    const cached = this.hostsCache;
    if (cached && Date.now() - cached.at < HOSTS_CACHE_MS) return cached.hosts;
    const hosts = await this.options.store.hosts();
    this.hostsCache = { at: Date.now(), hosts };
    return hosts;
  }

  private makeContext(): MoveContext {
    const { options } = this;
    return {
      host: options.self().id,
      generation: options.self().generation,
      store: options.store,
      handoff: options.handoff,
      carrier: new FdCarrier(options.handoff),
      transport: options.transport,
      gates: options.gates,
      ownership: options.ownership,
      log: options.log,
      hosts: () => this.hosts(),
      draining: () => options.self().state === 'draining',
      immovable: (roomId, problems) => roomImmovable({ roomId, reason: formatProblems(problems), problems }),
      republish: (room) => this.republish(room),
      tell: (path, method, payload) => this.tell(path, method, payload),
    };
  }

  private republish(room: Room): void {
    const { gates, store } = this.options;
    const off = store.onConnectionChange((up) => {
      if (!up) return;
      off();
      if (trackOf(room).phase !== 'live') return;
      Promise.all([gates.driver.publish(room), gates.presence.open(room.roomId)]).catch(() =>
        this.republish(room),
      );
    });
  }

  private async tell(path: string, method: string, payload: unknown): Promise<void> {
    try {
      await this.options.handoff.call(path, method, payload, { timeoutMs: TELL_TIMEOUT_MS });
    } catch (error) {
      this.options.log.warn({ path, method, err: error }, 'could not tell another host');
    }
  }
}
