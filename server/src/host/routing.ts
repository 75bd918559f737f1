// Where an upgrade request goes: any host accepts it, the room's owner gets it, a room in motion lets it wait.
import type { Room } from '@colyseus/core';
import { BatonError } from '../errors.ts';
import type { Peers } from '../handoff/index.ts';
import { type Migrator, trackOf } from '../migration/index.ts';
import type { HostRecord, Store } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';
import type { BatonTransport, PendingUpgrade, UpgradeRecord } from '../transport/index.ts';
import { within } from '../within.ts';

export const UPGRADE_METHOD = 'upgrade';
/** How long an upgrade waits for a room in motion, in all. */
const WAIT_MS = 10_000;
const RETRY_MS = 25;
const MAX_RETRY_MS = 400;
/** Upgrades of this host that wait at a time; each holds a descriptor, and more are refused. */
const MAX_WAITING = 2_000;
/** What goes wrong for one upgrade goes wrong for all that wait: one line of the log in this time. */
const COMPLAIN_EVERY_MS = 1_000;
/** A room the registry says is here, but is not: it is just being made, or its move is just being undone. */
const GRACE_MS = 1_000;
/** An upgrade that was passed on this often goes round in circles. */
const MAX_HOPS = 16;
const HANDOVER_TIMEOUT_MS = 3_000;

export interface RoutingOptions {
  host: string;
  migrator: Migrator;
  store: Store;
  handoff: Peers;
  transport: BatonTransport;
  log: Log;
  /** Default 2000. */
  maxWaiting?: number;
}

export class Routing {
  private readonly options: RoutingOptions;
  private waiting = 0;
  private complainedAt = Number.NEGATIVE_INFINITY;

  constructor(options: RoutingOptions) {
    this.options = options;
    options.transport.route = (roomId, upgrade) => this.route(roomId, upgrade);
    options.handoff.handle(UPGRADE_METHOD, (payload, fds) => {
      options.transport.acceptUpgrade(fds[0]!, payload as UpgradeRecord);
    });
  }

  /** Whoever has the room gets the upgrade. */
  route(roomId: string, upgrade: PendingUpgrade): 'local' | Promise<'local' | 'handed'> {
    if (this.options.migrator.whereabouts(roomId).at === 'here') return 'local';
    if (this.waiting >= (this.options.maxWaiting ?? MAX_WAITING)) {
      upgrade.reject(503, 'too many wait for their rooms; try again');
      return Promise.resolve('handed');
    }
    this.waiting++;
    return this.search(roomId, upgrade).finally(() => this.waiting--);
  }

  /** 'local' for a room that is nowhere, too: the transport answers as Colyseus does for an unknown room. */
  private async search(roomId: string, upgrade: PendingUpgrade): Promise<'local' | 'handed'> {
    const until = Date.now() + WAIT_MS;
    const grace = Date.now() + GRACE_MS;
    let pause = RETRY_MS;
    while (Date.now() < until) {
      const where = this.options.migrator.whereabouts(roomId);
      if (where.at === 'here') {
        keepStill(where.room);
        return 'local';
      }
      if (where.at === 'moving') {
        await within(Math.max(0, until - Date.now()), where.settled);
        continue;
      }
      const verdict = await this.forward(roomId, upgrade, Date.now() < grace);
      if (verdict === 'handed') return 'handed';
      if (verdict === 'nowhere') return 'local';
      await new Promise((resolve) => setTimeout(resolve, pause));
      if (Date.now() > grace) pause = Math.min(2 * pause, MAX_RETRY_MS);
    }
    upgrade.reject(503, 'the room is moving; try again');
    return 'handed';
  }

  private async forward(
    roomId: string,
    upgrade: PendingUpgrade,
    patient: boolean,
  ): Promise<'handed' | 'nowhere' | 'again'> {
    const { options } = this;
    try {
      const owner = await options.store.owner(roomId);
      if (!owner) return 'nowhere';
      if (owner.host === options.host) {
        const arrival = options.migrator.arrival(roomId);
        if (arrival) await within(WAIT_MS, arrival);
        return arrival || patient || options.migrator.whereabouts(roomId).at !== 'elsewhere'
          ? 'again'
          : 'nowhere';
      }
      const host = (await options.migrator.hosts()).find((h) => h.id === owner.host);
      if (!host || upgrade.hops >= MAX_HOPS) return host ? 'nowhere' : 'again';
      return await this.handOver(upgrade, host.handoffPath);
    } catch (error) {
      if (error instanceof BatonError && error.status < 500) return 'nowhere';
      this.complain(roomId, error);
      return 'again';
    }
  }

  private complain(roomId: string, err: unknown): void {
    const now = performance.now();
    if (now - this.complainedAt < COMPLAIN_EVERY_MS) return;
    this.complainedAt = now;
    const { waiting } = this;
    this.options.log.warn({ roomId, waiting, err }, 'upgrades could not be routed yet');
  }

  /** Gives an upgrade to another host, whatever it is for. @returns false when it is still here */
  async passOn(upgrade: PendingUpgrade, host: HostRecord): Promise<boolean> {
    return (await this.handOver(upgrade, host.handoffPath)) === 'handed';
  }

  private async handOver(upgrade: PendingUpgrade, path: string): Promise<'handed' | 'again'> {
    const { fd, record } = upgrade.detach();
    try {
      await this.options.handoff.call(path, UPGRADE_METHOD, record, {
        fds: [fd],
        timeoutMs: HANDOVER_TIMEOUT_MS,
      });
    } catch (error) {
      if (!mayHaveIt(error)) {
        upgrade.undo();
        return 'again';
      }
      // answering here as well could answer twice
      this.options.log.warn({ err: error }, 'an upgrade was handed over, but not acknowledged');
    }
    upgrade.done();
    return 'handed';
  }
}

/** Whether the other host has the upgrade, or nobody knows; an error of its handler means that it gave it up. */
function mayHaveIt(error: unknown): boolean {
  if (!(error instanceof BatonError) || error.details['delivered'] === false) return false;
  return error.code === 'BATON_HANDOFF_PEER_GONE' || error.code === 'BATON_HANDOFF_TIMEOUT';
}

/** The join begins a few microtasks from now; until then the room must not be frozen. */
function keepStill(room: Room): void {
  const track = trackOf(room);
  track.enter('connecting');
  setImmediate(() => track.leave('connecting'));
}
