import { hostIdTaken, hostNotFound } from '../../errors.ts';
import type { Log } from '../../telemetry/index.ts';
import * as shape from '../schema.ts';
import { surviveAbsence } from '../survive.ts';
import type { Change, Store, VersionedValue } from '../types.ts';
import { byHostNumber, type HostRecord, type Move, type MoveOutcome, type RoomOwner } from '../types.ts';
import { parseAddress } from './address.ts';
import { GuardedRedisDriver } from './driver.ts';
import { ioOptions } from './io.ts';
import { RedisLink } from './link.ts';
import { GuardedRedisPresence } from './presence.ts';
import { scripts } from './scripts.ts';

const { check } = shape;

export interface RedisStoreOptions {
  url: string;
  prefix: string;
  timeoutMs: number;
  log: Log;
}

/** The store in Redis: the registry by scripts on one connection, presence and listings as Colyseus keeps them. */
export class RedisStore implements Store {
  readonly kind = 'redis';
  readonly presence: GuardedRedisPresence;
  readonly driver: GuardedRedisDriver;
  readonly #link: RedisLink;
  readonly #prefix: string;
  /** Keys of the registry; `rooms` starts the key of each host's set of rooms. */
  readonly #key: Record<
    'hosts' | 'leases' | 'beat' | 'lastHost' | 'owners' | 'rooms' | 'lastVersion',
    string
  >;

  private constructor(link: RedisLink, o: RedisStoreOptions) {
    const { address } = link;
    this.#link = link;
    this.#prefix = o.prefix;
    const registry = `${o.prefix}registry:`;
    this.#key = {
      hosts: `${registry}hosts`,
      leases: `${registry}leases`,
      beat: `${registry}beat`,
      lastHost: `${registry}last-host`,
      owners: `${registry}owners`,
      rooms: `${registry}rooms:`,
      lastVersion: `${registry}last-version`,
    };
    this.presence = new GuardedRedisPresence(link, ioOptions(address, `${o.prefix}presence:`), o.log);
    this.driver = new GuardedRedisDriver(link, ioOptions(address, `${o.prefix}driver:`));
  }

  /** @throws BATON_STORE_UNAVAILABLE if Redis does not answer; BATON_INVALID_OPTION for a malformed URL */
  static async connect(o: RedisStoreOptions): Promise<RedisStore> {
    const link = await RedisLink.open({ ...o, address: parseAddress(o.url) });
    const store = new RedisStore(link, o);
    try {
      await link.watch([...store.presence.peers(), ...store.driver.peers()]);
    } catch (error) {
      link.close();
      throw error;
    }
    surviveAbsence(o.log);
    return store;
  }

  get connected(): boolean {
    return this.#link.availability.up;
  }

  onConnectionChange(fn: (up: boolean) => void): () => void {
    return this.#link.availability.onChange(fn);
  }

  async nextHostId(): Promise<string> {
    const number = await this.#link.run('nextHostId', (client) => client.incr(this.#key.lastHost));
    return `h${number}`;
  }

  async putHost(record: HostRecord, leaseMs: number): Promise<boolean> {
    const { id, processId } = check('putHost', shape.hostRecord, record);
    const term = Math.ceil(check('putHost', shape.milliseconds, leaseMs));
    const number = /^h(\d{1,15})$/.exec(id)?.[1] ?? '0';
    const { hosts, leases, beat, lastHost } = this.#key;
    const args = [id, JSON.stringify(record), processId, String(term), number];
    const answer = await this.#link.script(scripts.putHost, [hosts, leases, beat, lastHost], args);
    const [outcome, holder] = answer as string[];
    if (outcome === 'taken') throw hostIdTaken({ host: id, processId: holder });
    return outcome === 'new';
  }

  async removeHost(id: string): Promise<void> {
    check('removeHost', shape.key, id);
    const { hosts, leases, owners, rooms } = this.#key;
    await this.#link.script(scripts.removeHost, [hosts, leases, owners, rooms], [id]);
  }

  async hosts(): Promise<HostRecord[]> {
    const { hosts, leases, beat } = this.#key;
    return records(await this.#link.script(scripts.listHosts, [hosts, leases, beat], []));
  }

  async expireHosts(gone: string[] = []): Promise<HostRecord[]> {
    check('expireHosts', shape.keys, gone);
    const { hosts, leases, beat, owners, rooms } = this.#key;
    return records(await this.#link.script(scripts.expireHosts, [hosts, leases, beat, owners, rooms], gone));
  }

  async claim(roomId: string, host: string, epoch = 1): Promise<RoomOwner> {
    check('claim', shape.key, roomId);
    check('claim', shape.key, host);
    check('claim', shape.epoch, epoch);
    const { leases, beat, owners, rooms } = this.#key;
    const args = [roomId, host, String(epoch)];
    const answer = await this.#link.script(scripts.claim, [leases, beat, owners, rooms], args);
    const [outcome, owner, held] = answer as string[];
    if (outcome === 'unknown host') throw hostNotFound({ host });
    const now = { roomId, host: owner!, epoch: Number(held) };
    if (outcome === 'owned') throw shape.ownedByAnother(host, now);
    return now;
  }

  async owner(roomId: string): Promise<RoomOwner | undefined> {
    return (await this.owners([roomId])).get(roomId);
  }

  async owners(roomIds: string[]): Promise<Map<string, RoomOwner>> {
    check('owners', shape.keys, roomIds);
    const found = new Map<string, RoomOwner>();
    if (roomIds.length === 0) return found;
    const texts = await this.#link.run('owners', (client) => client.hmGet(this.#key.owners, roomIds));
    roomIds.forEach((roomId, index) => {
      const text = texts[index];
      if (!text) return;
      const gap = text.indexOf(' ');
      found.set(roomId, { roomId, host: text.slice(gap + 1), epoch: Number(text.slice(0, gap)) });
    });
    return found;
  }

  async roomsOf(host: string): Promise<RoomOwner[]> {
    check('roomsOf', shape.key, host);
    const { owners, rooms } = this.#key;
    const flat = (await this.#link.script(scripts.roomsOf, [owners, rooms], [host])) as string[];
    return chunks(flat, 2).map(([roomId, epoch]) => ({ roomId: roomId!, host, epoch: Number(epoch) }));
  }

  async transfer(moves: Move[]): Promise<MoveOutcome[]> {
    check('transfer', shape.moves, moves);
    if (moves.length === 0) return [];
    const { leases, beat, owners, rooms } = this.#key;
    const args = moves.flatMap((move) => [move.roomId, move.from, String(move.epoch), move.to]);
    const flat = await this.#link.script(scripts.transfer, [leases, beat, owners, rooms], args);
    return chunks(flat as string[], 3).map(([done, host, epoch], index) => {
      const { roomId } = moves[index]!;
      const owner = host === '' ? undefined : { roomId, host: host!, epoch: Number(epoch) };
      return { roomId, ok: done === '1', owner };
    });
  }

  async release(roomId: string, host: string, epoch: number): Promise<boolean> {
    check('release', shape.key, roomId);
    check('release', shape.key, host);
    check('release', shape.epoch, epoch);
    const { owners, rooms } = this.#key;
    const args = [roomId, host, String(epoch)];
    return (await this.#link.script(scripts.release, [owners, rooms], args)) === 1;
  }

  async get(key: string): Promise<VersionedValue | undefined> {
    return (await this.getMany([key])).get(key);
  }

  async getMany(keys: string[]): Promise<Map<string, VersionedValue>> {
    const names = check('getMany', shape.reads, keys);
    const found = new Map<string, VersionedValue>();
    if (names.length === 0) return found;
    const records = names.map((key) => this.#record(key));
    const flat = (await this.#link.script(scripts.getRecords, records, [])) as (string | null)[];
    names.forEach((key, at) => {
      const [value, version] = flat.slice(2 * at, 2 * at + 2);
      if (typeof value === 'string') found.set(key, { value, version: Number(version) });
    });
    return found;
  }

  async commit(changes: Change[]): Promise<number | undefined> {
    const { version } = await this.#commit('commit', changes);
    return version === 0 ? undefined : version;
  }

  async set(key: string, value: string, expect?: number, ttlMs?: number): Promise<number | undefined> {
    const { version } = await this.#commit('set', [{ key, value, expect, ttlMs }]);
    return version === 0 ? undefined : version;
  }

  async del(key: string, expect?: number): Promise<boolean> {
    return (await this.#commit('del', [{ key, expect }])).deleted > 0;
  }

  async #commit(what: string, changes: Change[]): Promise<{ version: number; deleted: number }> {
    const checked = check(what, shape.changes, changes);
    const keys = [this.#key.lastVersion, ...checked.map(({ key }) => this.#record(key))];
    const args = checked.flatMap(({ expect, value, ttlMs, check: condition }) => [
      String(expect ?? ''),
      condition ? 'check' : value === undefined ? 'delete' : 'write',
      value ?? '',
      ttlMs === undefined ? '' : String(Math.ceil(ttlMs)),
    ]);
    const answer = await this.#link.script(scripts.commitRecords, keys, args);
    const [version, deleted] = answer as [number, number];
    return { version, deleted };
  }

  async ping(): Promise<void> {
    await this.#link.run('ping', (client) => client.ping());
  }

  async close(): Promise<void> {
    this.presence.release();
    this.#link.close();
  }

  #record(key: string): string {
    return `${this.#prefix}record:${key}`;
  }
}

function records(answer: unknown): HostRecord[] {
  return (answer as string[]).map((json) => JSON.parse(json) as HostRecord).sort(byHostNumber);
}

function chunks(flat: string[], size: number): string[][] {
  return Array.from({ length: flat.length / size }, (_, at) => flat.slice(at * size, (at + 1) * size));
}
