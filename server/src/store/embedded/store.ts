import type { Log } from '../../telemetry/index.ts';
import { surviveAbsence } from '../survive.ts';
import {
  byHostNumber,
  type Change,
  type HostRecord,
  type Move,
  type MoveOutcome,
  type RoomOwner,
  type Store,
  type VersionedValue,
} from '../types.ts';
import { EmbeddedDriver } from './driver.ts';
import { EmbeddedLink } from './link.ts';
import { EmbeddedPresence } from './presence.ts';
import type { Committed } from './records.ts';

/** A host's view of the embedded store over its Unix socket; the server checks what it is given. */
export class EmbeddedStore implements Store {
  readonly kind = 'embedded';
  readonly presence: EmbeddedPresence;
  readonly driver: EmbeddedDriver;
  readonly #link: EmbeddedLink;

  private constructor(o: { path: string; timeoutMs: number; log: Log }) {
    this.#link = new EmbeddedLink({
      ...o,
      onPush: (topic, json) => this.presence.deliver(topic, json),
      topics: () => this.presence.topics(),
    });
    this.presence = new EmbeddedPresence(this.#link, o.log);
    this.driver = new EmbeddedDriver(this.#link);
  }

  /** @throws BATON_STORE_UNAVAILABLE if nothing answers at `path` */
  static async connect(o: { path: string; timeoutMs: number; log: Log }): Promise<EmbeddedStore> {
    const store = new EmbeddedStore(o);
    await store.#link.open();
    surviveAbsence(o.log);
    return store;
  }

  get connected(): boolean {
    return this.#link.availability.up;
  }

  onConnectionChange(fn: (up: boolean) => void): () => void {
    return this.#link.availability.onChange(fn);
  }

  nextHostId(): Promise<string> {
    return this.#link.request('nextHostId', []);
  }

  putHost(record: HostRecord, leaseMs: number): Promise<boolean> {
    return this.#link.request('putHost', [record, leaseMs]);
  }

  removeHost(id: string): Promise<void> {
    return this.#link.request('removeHost', [id]);
  }

  async hosts(): Promise<HostRecord[]> {
    return (await this.#link.request<HostRecord[]>('hosts', [])).sort(byHostNumber);
  }

  async expireHosts(gone: string[] = []): Promise<HostRecord[]> {
    return (await this.#link.request<HostRecord[]>('expireHosts', [gone])).sort(byHostNumber);
  }

  claim(roomId: string, host: string, epoch = 1): Promise<RoomOwner> {
    return this.#link.request('claim', [roomId, host, epoch]);
  }

  owner(roomId: string): Promise<RoomOwner | undefined> {
    return this.#link.request('owner', [roomId]);
  }

  async owners(roomIds: string[]): Promise<Map<string, RoomOwner>> {
    const found = await this.#link.request<RoomOwner[]>('owners', [roomIds]);
    return new Map(found.map((owner) => [owner.roomId, owner]));
  }

  roomsOf(host: string): Promise<RoomOwner[]> {
    return this.#link.request('roomsOf', [host]);
  }

  transfer(moves: Move[]): Promise<MoveOutcome[]> {
    return this.#link.request('transfer', [moves]);
  }

  release(roomId: string, host: string, epoch: number): Promise<boolean> {
    return this.#link.request('release', [roomId, host, epoch]);
  }

  async get(key: string): Promise<VersionedValue | undefined> {
    return (await this.getMany([key])).get(key);
  }

  async getMany(keys: string[]): Promise<Map<string, VersionedValue>> {
    return new Map(await this.#link.request<[string, VersionedValue][]>('record.getMany', [keys]));
  }

  async commit(changes: Change[]): Promise<number | undefined> {
    return (await this.#commit(changes))?.version;
  }

  set(key: string, value: string, expect?: number, ttlMs?: number): Promise<number | undefined> {
    return this.commit([{ key, value, expect, ttlMs }]);
  }

  async del(key: string, expect?: number): Promise<boolean> {
    return ((await this.#commit([{ key, expect }]))?.deleted ?? 0) > 0;
  }

  #commit(changes: Change[]): Promise<Committed | undefined> {
    return this.#link.request('record.commit', [changes]);
  }

  ping(): Promise<void> {
    return this.#link.request('ping', []);
  }

  async close(): Promise<void> {
    this.#link.close();
  }
}
