// What operators ask of a service, answered by whichever host the request reached.
import { matchMaker } from '@colyseus/core';
import type {
  ControlBackend,
  DrainResult,
  HostView,
  MigrateResult,
  ReloadOptions,
  ReloadResult,
  RoomView,
} from '../control/index.ts';
import { BatonError, hostNotFound, hostUnreachable, roomNotFound } from '../errors.ts';
import type { Peers } from '../handoff/index.ts';
import { type Migrator, type Ownership, trackOf } from '../migration/index.ts';
import { SocketRoom } from '../sockets/index.ts';
import type { HostRecord, Store } from '../store/index.ts';
import type { Registration } from './registration.ts';

const METHODS = { rooms: 'host.rooms', migrate: 'host.migrate', drain: 'host.drain' } as const;
export const DRAIN_DEADLINE_MS = 30_000;
/** Longer than a move can take: shells, coming to rest, and waiting for the store's word. */
const MIGRATE_TIMEOUT_MS = 90_000;
/** How often, and how far apart, a room in motion is looked for. */
const LOOKUPS = 5;
const LOOK_AGAIN_MS = 40;
const LIST_TIMEOUT_MS = 2_000;

export interface BackendOptions {
  registration: Registration;
  store: Store;
  handoff: Peers;
  migrator: Migrator;
  ownership: Ownership;
  /** The host gave its rooms away on an operator's word, as far as they could move: it is to be replaced. */
  drained: () => void;
  /** Asks the supervisor for a reload. */
  reload: (options: ReloadOptions) => Promise<ReloadResult>;
}

export class Backend implements ControlBackend {
  private readonly options: BackendOptions;
  private draining: Promise<DrainResult> | undefined;

  constructor(options: BackendOptions) {
    this.options = options;
    const { handoff } = options;
    handoff.handle(METHODS.rooms, () => this.localRooms());
    handoff.handle(METHODS.migrate, (payload) => {
      const { roomId, to } = payload as { roomId: string; to: string };
      return this.options.migrator.move(String(roomId), String(to));
    });
    handoff.handle(METHODS.drain, (payload) =>
      this.drainOnRequest(Number((payload as { deadlineMs: number }).deadlineMs)),
    );
  }

  private get self(): string {
    return this.options.registration.record.id;
  }

  async hosts(): Promise<HostView[]> {
    const hosts = await this.options.store.hosts();
    return hosts.map(({ handoffPath: _path, load, ...view }) => ({
      ...view,
      ...(load === undefined ? {} : { cpu: load }),
    }));
  }

  async rooms(): Promise<RoomView[]> {
    const hosts = await this.options.store.hosts();
    const lists = await Promise.all(
      hosts.map(async (host) => {
        if (host.id === this.self) return this.localRooms();
        try {
          return await this.options.handoff.call<RoomView[]>(host.handoffPath, METHODS.rooms, null, {
            timeoutMs: LIST_TIMEOUT_MS,
          });
        } catch {
          return []; // it is going away; its rooms show up where they went
        }
      }),
    );
    // A source that waits for its target's word still lists the room that the target has at the next epoch.
    const rooms = new Map<string, RoomView>();
    for (const room of lists.flat()) {
      const other = rooms.get(room.roomId);
      if (!other || other.epoch < room.epoch) rooms.set(room.roomId, room);
    }
    return [...rooms.values()];
  }

  /** @param sockets whether those of hosted sockets are among them */
  localRooms(sockets = true): RoomView[] {
    return this.options.ownership.rooms().flatMap((roomId) => {
      const room = matchMaker.getLocalRoomById(roomId);
      if (!room || (!sockets && room instanceof SocketRoom)) return [];
      const { moves, lastBlackoutMs } = trackOf(room);
      return {
        roomId,
        name: room instanceof SocketRoom ? room.mapping.name : room.roomName,
        host: this.self,
        clients: room.clients.length,
        epoch: this.options.ownership.epoch(roomId)!,
        moves,
        locked: room.locked,
        ...(Number.isFinite(room.maxClients) ? { maxClients: room.maxClients } : {}),
        ...(lastBlackoutMs === undefined ? {} : { lastBlackoutMs }),
      };
    });
  }

  /** A room that just moves is not where it was looked for: it is looked for again. */
  async migrate(roomId: string, to: string): Promise<MigrateResult> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.migrateOnce(roomId, to);
      } catch (error) {
        const missed = error instanceof BatonError && error.code === 'BATON_ROOM_NOT_FOUND';
        if (!missed || attempt === LOOKUPS || !(await this.options.store.owner(roomId))) throw error;
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      }
    }
  }

  private async migrateOnce(roomId: string, to: string): Promise<MigrateResult> {
    const { options } = this;
    if (options.migrator.whereabouts(roomId).at !== 'elsewhere')
      return asResult(await options.migrator.move(roomId, to));
    const owner = await options.store.owner(roomId);
    if (!owner || owner.host === this.self) throw roomNotFound({ roomId });
    const host = await this.host(owner.host);
    return asResult(
      await options.handoff.call<MigrateResult>(
        host.handoffPath,
        METHODS.migrate,
        { roomId, to },
        { timeoutMs: MIGRATE_TIMEOUT_MS },
      ),
    );
  }

  async drain(hostId: string, deadlineMs = DRAIN_DEADLINE_MS): Promise<DrainResult> {
    if (hostId === this.self) return this.drainOnRequest(deadlineMs);
    const host = await this.host(hostId);
    return this.options.handoff.call<DrainResult>(
      host.handoffPath,
      METHODS.drain,
      { deadlineMs },
      { timeoutMs: deadlineMs + 10_000 },
    );
  }

  reload(options: ReloadOptions): Promise<ReloadResult> {
    return this.options.reload(options);
  }

  /** Moves all rooms of this host away; it takes no new ones until `serve`. */
  async drainSelf(deadlineMs: number): Promise<DrainResult> {
    this.draining ??= this.runDrain(deadlineMs).finally(() => {
      this.draining = undefined;
    });
    return this.draining;
  }

  private async drainOnRequest(deadlineMs: number): Promise<DrainResult> {
    const result = await this.drainSelf(deadlineMs);
    this.options.drained();
    return result;
  }

  /** From now on, or again, it takes rooms. */
  async serve(): Promise<void> {
    await this.options.registration.setState('up');
  }

  private async runDrain(deadlineMs: number): Promise<DrainResult> {
    const { registration, migrator } = this.options;
    await registration.setState('draining');
    try {
      return await migrator.drain(deadlineMs);
    } catch (error) {
      await registration.setState('up');
      throw error;
    }
  }

  private async host(id: string): Promise<HostRecord> {
    const host = (await this.options.store.hosts()).find((h) => h.id === id);
    if (!host) throw hostNotFound({ host: id });
    if (host.machine !== this.options.registration.record.machine) {
      throw hostUnreachable({ host: id, reason: `it is on machine ${host.machine}` });
    }
    return host;
  }
}

const asResult = (result: { phases: unknown } & Omit<MigrateResult, 'phases'>): MigrateResult => ({
  ...result,
  phases: { ...(result.phases as Record<string, number>) },
});
