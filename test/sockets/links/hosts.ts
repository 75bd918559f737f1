// Hosts without Colyseus: rooms as plain objects, and the linking module as it runs in each host.
import {
  type LinkedRoom,
  Linking,
  news,
  type Truth,
  type Wish,
} from '../../../server/src/sockets/links/index.ts';
import type { Store } from '../../../server/src/store/index.ts';
import { silentLog } from '../../../server/src/telemetry/index.ts';
import { host, LONG } from '../../store/support.ts';

export class FakeRoom implements LinkedRoom {
  readonly roomId: string;
  readonly tenant: string;
  host: FakeHost;
  settled = false;
  gone = false;
  known = 0;
  alias: string | undefined;
  link: Truth['link'] | undefined;
  wait: Truth['wait'] | undefined;
  bereft = false;
  /** What its client was told. */
  readonly errors: string[] = [];
  /** Peers as its client knows them. */
  clientPeers: string[] = [];

  constructor(roomId: string, tenant: string, at: FakeHost) {
    this.roomId = roomId;
    this.tenant = tenant;
    this.host = at;
  }

  learn(truth: Truth): void {
    if (truth.version <= this.known) return;
    const { left, linked } = news({ peers: this.link?.peers ?? [], bereft: this.bereft }, truth, 'keep');
    this.known = truth.version;
    this.settled = true;
    this.link = truth.link;
    this.wait = truth.wait;
    this.alias ??= truth.alias;
    this.clientPeers = linked ?? this.clientPeers.filter((peer) => !left.includes(peer));
    if (truth.failed) this.errors.push(truth.failed.code);
    this.host.linking.watch(this);
  }

  refused({ code }: { code: string }): void {
    this.errors.push(code);
  }
}

/** A host whose calls reach the store until it is dead. */
export class FakeHost {
  readonly id: string;
  readonly linking: Linking;
  readonly rooms = new Map<string, FakeRoom>();
  dead = false;
  private readonly cluster: Cluster;

  constructor(id: string, cluster: Cluster) {
    this.id = id;
    this.cluster = cluster;
    const store = new Proxy(cluster.store, {
      get: (target, name) => {
        const value = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) =>
          this.dead ? Promise.reject(new Error('the host is dead')) : value.apply(target, args);
      },
    });
    this.linking = new Linking({
      store,
      log: silentLog,
      tenantLog: { failed: () => {} },
      local: (socketId) => this.rooms.get(socketId),
      epoch: () => 1,
      call: (socketId, method, args) => cluster.call(socketId, method, args),
    });
  }

  /** @returns what the room was refused */
  async settle(socketId: string, wish: Wish, waitMs = 60_000, tenant = 't'): Promise<FakeRoom> {
    const room = new FakeRoom(socketId, tenant, this);
    this.rooms.set(socketId, room);
    await this.cluster.store.claim(socketId, this.id);
    await this.linking.settle(room, wish, waitMs);
    return room;
  }
}

export class Cluster {
  readonly store: Store;
  readonly hosts: FakeHost[] = [];
  /** The next calls between hosts that get lost. */
  losses = 0;

  /** Ids that have been closed; they do not open again. */
  readonly closed = new Set<string>();
  private readonly busy = new Map<string, Promise<unknown>>();

  constructor(store: Store) {
    this.store = store;
  }

  /** A room does one thing at a time: it neither moves nor closes while it opens. */
  alone<T>(socketId: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.busy.get(socketId) ?? Promise.resolve()).then(work, work);
    this.busy.set(socketId, turn);
    return turn;
  }

  async start(): Promise<FakeHost> {
    const id = await this.store.nextHostId();
    await this.store.putHost(host(id), LONG);
    const started = new FakeHost(id, this);
    this.hosts.push(started);
    return started;
  }

  room(socketId: string): FakeRoom | undefined {
    return this.hosts.flatMap((one) => one.rooms.get(socketId) ?? [])[0];
  }

  async call(socketId: string, method: string, args: unknown[]): Promise<unknown> {
    if (this.losses > 0) {
      this.losses--;
      throw new Error('the call got lost');
    }
    await Promise.resolve();
    const room = this.room(socketId);
    if (!room) {
      if (await this.store.owner(socketId)) throw new Error('the room is between two hosts');
      return undefined;
    }
    if (method === 'tenantOf') return room.tenant;
    room.learn(args[0] as Truth);
    return true;
  }

  /** Takes the room off its host, and lets others do something before it arrives. */
  async move(socketId: string, to: FakeHost, meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    const room = this.room(socketId);
    if (!room || room.host === to || to.dead) return;
    const from = room.host;
    from.rooms.delete(socketId);
    await meanwhile();
    const owner = (await this.store.owner(socketId))!;
    await this.store.transfer([{ roomId: socketId, from: from.id, epoch: owner.epoch, to: to.id }]);
    room.host = to;
    to.rooms.set(socketId, room);
    to.linking.watch(room);
    await to.linking.sync(room);
  }

  async close(socketId: string): Promise<void> {
    const room = this.room(socketId);
    if (!room) return;
    const { host: at } = room;
    room.gone = true;
    this.closed.add(socketId);
    await at.linking.end(room);
    at.rooms.delete(socketId);
    const owner = await this.store.owner(socketId);
    if (owner) await this.store.release(socketId, owner.host, owner.epoch);
  }

  /** A host dies with its rooms; another one clears up after it. */
  async crash(victim: FakeHost): Promise<void> {
    const heir = await this.start();
    victim.dead = true;
    this.hosts.splice(this.hosts.indexOf(victim), 1, this.hosts.pop()!);
    const lost = [...victim.rooms.values()];
    for (const { roomId } of lost) this.closed.add(roomId);
    await this.store.removeHost(victim.id);
    for (const { roomId, tenant } of lost) await heir.linking.bury(tenant, roomId);
  }

  async idle(): Promise<void> {
    await Promise.all(this.hosts.map(({ linking }) => linking.idle()));
  }

  async stop(): Promise<void> {
    for (const one of this.hosts) {
      await one.linking.stop();
      await this.store.removeHost(one.id);
    }
  }
}
