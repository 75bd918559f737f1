// What is done for a socket that is no more, having closed here or been on a host that died: its link ends, its close
// function is called, and it goes from the list of sockets.
import type { HostRecord, Store } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';
import { Backlog } from './backlog.ts';
import type { Calling } from './calling.ts';
import { closeReason } from './close-codes.ts';
import type { Linking } from './links/index.ts';
import type { Entry, Roster } from './roster.ts';
import type { HostedSocket } from './service.ts';
import { type PastTimelines, subjectOf, Timeline } from './timeline.ts';

/** Sockets of a dead host that are cleared up at a time. */
const BURIALS_AT_ONCE = 32;

export interface EndingsOptions {
  store: Store;
  log: Log;
  roster: Roster;
  calling: Pick<Calling, 'closed' | 'lost'>;
  linking: Pick<Linking, 'end' | 'bury'>;
  past: PastTimelines;
  /** Takes work that a host which stops waits for. */
  inBackground(work: Promise<void>): void;
}

export class Endings {
  private readonly options: EndingsOptions;
  private readonly backlog: Backlog;

  constructor(options: EndingsOptions) {
    this.options = options;
    this.backlog = new Backlog(options.log);
  }

  stop(): void {
    this.backlog.stop();
  }

  /** A socket of this host has closed. @returns when its link has ended, or will end later */
  async closed(room: HostedSocket, code: number | undefined): Promise<void> {
    const { roster, calling, linking, past, inBackground } = this.options;
    const reason = room.dismissed ?? closeReason(code);
    if (room.timeline) past.keep(subjectOf(room), room.timeline, reason, code ?? 0);
    const told = calling.closed(room, roster.entry(room), reason);
    // if this host dies before that, whichever host notices tells it
    const { roomId, tenant, link } = room;
    inBackground(told.then(() => this.backlog.doOrAdd(() => roster.remove(roomId))));
    await this.backlog.doOrAdd(() => linking.end({ roomId, tenant, link }));
  }

  /** A host died: the peers of its sockets are told, their links end, their close functions are called. */
  async hostGone(dead: HostRecord): Promise<void> {
    const { store, log, roster } = this.options;
    const sockets = [...(await roster.of(dead.id))];
    for (let i = 0; i < sockets.length; i += BURIALS_AT_ONCE) {
      const some = sockets.slice(i, i + BURIALS_AT_ONCE);
      const owners = await store.owners(some.map(([socketId]) => socketId));
      const lost = some.filter(([socketId]) => !owners.has(socketId));
      await Promise.all(lost.map(([socketId, entry]) => this.lost(dead.id, socketId, entry)));
    }
    await roster.forget(dead.id);
    if (sockets.length > 0) log.warn({ host: dead.id, sockets: sockets.length }, 'its sockets are closed');
  }

  private async lost(host: string, socketId: string, entry: Entry): Promise<void> {
    const { roster, calling, linking, past, inBackground } = this.options;
    await linking.bury(entry.tenant, socketId);
    if (!(await roster.claim(host, socketId))) return;
    const { tenant, mapping, playerId } = entry;
    const now = Date.now(); // what it was before was on the dead host
    past.keep({ socketId, tenant, mapping, playerId, openedAt: now }, new Timeline(now), 'host-lost', 0);
    inBackground(calling.lost(socketId, entry));
  }
}
