// A decision in the making: records as they were read, and what is to become of them. What was read is a condition of
// the commit, so that a decision holds only while everything it was based on does.
import type { ZodType } from 'zod';
import type { Change, VersionedValue } from '../../store/index.ts';
import {
  aliasKey,
  type LinkRecord,
  linkKey,
  linkSchema,
  type SocketRecord,
  socketKey,
  socketSchema,
  type Truth,
  type Waiting,
  waitingKey,
  waitingSchema,
} from './records.ts';

/** The decision needs records that were not read. */
export class Missing extends Error {
  readonly keys: string[];

  constructor(keys: string[]) {
    super('records are missing');
    this.keys = keys;
  }
}

type Written = { value: unknown; ttlMs?: number };

/** The records of one tenant. */
export class Draft {
  readonly tenant: string;
  private readonly read: ReadonlyMap<string, VersionedValue | undefined>;
  private readonly touched: Set<string>;
  private readonly written: Map<string, Written>;

  /** @param read what was read, `undefined` where there is no record */
  constructor(tenant: string, read: ReadonlyMap<string, VersionedValue | undefined>) {
    this.tenant = tenant;
    this.read = read;
    this.touched = new Set();
    this.written = new Map();
  }

  /** Does `work`; when it throws nothing of it is kept. What it read still counts. */
  attempt<T>(work: () => T): T {
    const before = new Map(this.written);
    try {
      return work();
    } catch (error) {
      this.written.clear();
      for (const [key, written] of before) this.written.set(key, written);
      throw error;
    }
  }

  /** @throws Missing, once for all of them */
  need(keys: string[]): void {
    const missing = keys.filter((key) => !this.read.has(key));
    if (missing.length > 0) throw new Missing(missing);
  }

  /** A socket's record, of whichever tenant. */
  socket(socketId: string): SocketRecord | undefined {
    return this.get(socketKey(socketId), socketSchema);
  }

  putSocket(socketId: string, record: SocketRecord, ttlMs?: number): void {
    this.need([socketKey(socketId)]);
    this.put(socketKey(socketId), record, ttlMs);
  }

  link(linkId: string): LinkRecord | undefined {
    return this.get(linkKey(this.tenant, linkId), linkSchema);
  }

  /** One that was not read must not exist. */
  putLink(linkId: string, record: LinkRecord | undefined): void {
    this.put(linkKey(this.tenant, linkId), record);
  }

  alias(alias: string): string | undefined {
    return this.get(aliasKey(this.tenant, alias));
  }

  putAlias(alias: string, socketId: string | undefined): void {
    this.need([aliasKey(this.tenant, alias)]);
    this.put(aliasKey(this.tenant, alias), socketId);
  }

  waiting(name: string): Waiting {
    return this.get(waitingKey(this.tenant, name), waitingSchema) ?? [];
  }

  putWaiting(name: string, waiting: Waiting, now: number): void {
    const ttlMs = Math.max(1, ...waiting.map(({ until }) => until - now));
    this.put(waitingKey(this.tenant, name), waiting.length > 0 ? waiting : undefined, ttlMs);
  }

  /** What is to be committed; empty when nothing changes. */
  changes(): Change[] {
    const changes: Change[] = [];
    let writes = 0;
    for (const key of this.touched) {
      const before = this.read.get(key);
      const written = this.written.get(key);
      const value = written?.value === undefined ? undefined : JSON.stringify(written.value);
      const expect = before?.version ?? 0;
      if (!written || value === before?.value) changes.push({ key, expect, check: true });
      else {
        writes++;
        changes.push({ key, expect, value, ...(value === undefined ? {} : { ttlMs: written.ttlMs }) });
      }
    }
    return writes > 0 ? changes : [];
  }

  /** How it stands with every open socket that this changes, once it is committed. Part of the decision: it may read. */
  truths(): Map<string, Omit<Truth, 'version'>> {
    const about = new Set<string>();
    const links = `link:${this.tenant}:`;
    for (const key of this.written.keys()) {
      if (key.startsWith('socket:')) about.add(key.slice('socket:'.length));
      if (!key.startsWith(links)) continue;
      const link = this.link(key.slice(links.length));
      for (const member of link?.formed ? link.members : []) about.add(member);
    }
    const truths = new Map<string, Omit<Truth, 'version'>>();
    for (const socketId of about) {
      // its link was changed by others, if its own record was not read
      const record = this.read.has(socketKey(socketId)) ? this.socket(socketId) : undefined;
      const link = record ? record.link : this.linkWith(socketId);
      const truth = truthOf(socketId, record, link, link === undefined ? undefined : this.link(link));
      if (record?.state !== 'closed') truths.set(socketId, truth);
    }
    return truths;
  }

  /** How it stands with one socket as its records were read; for a draft that changes nothing. */
  truth(socketId: string): Truth {
    const record = this.socket(socketId);
    const link = record?.link === undefined ? undefined : this.link(record.link);
    const version = Math.max(
      this.read.get(socketKey(socketId))?.version ?? 0,
      (link && this.read.get(linkKey(this.tenant, record!.link!))?.version) ?? 0,
    );
    return { version, ...truthOf(socketId, record, record?.link, link) };
  }

  private linkWith(socketId: string): string | undefined {
    const links = `link:${this.tenant}:`;
    for (const key of this.written.keys()) {
      const linkId = key.startsWith(links) ? key.slice(links.length) : undefined;
      if (linkId !== undefined && this.link(linkId)?.members.includes(socketId)) return linkId;
    }
    return undefined;
  }

  private get<T>(key: string, schema?: ZodType<T>): T | undefined {
    this.touched.add(key);
    const written = this.written.get(key);
    if (written) return written.value as T | undefined;
    if (!this.read.has(key)) throw new Missing([key]);
    const found = this.read.get(key);
    if (!found) return undefined;
    const value: unknown = JSON.parse(found.value);
    return schema ? schema.parse(value) : (value as T);
  }

  private put(key: string, value: unknown, ttlMs?: number): void {
    this.touched.add(key);
    this.written.set(key, ttlMs === undefined ? { value } : { value, ttlMs });
  }
}

/** @param record of the socket; unknown when it is linked and only the link changed */
export function truthOf(
  socketId: string,
  record: SocketRecord | undefined,
  linkId: string | undefined,
  link: LinkRecord | undefined,
): Omit<Truth, 'version'> {
  const truth: Omit<Truth, 'version'> = {};
  if (record?.alias !== undefined) truth.alias = record.alias;
  if (record?.failed) truth.failed = record.failed;
  if (record?.unlinked) truth.unlinked = true;
  if (record?.want) truth.wait = { until: record.want.until, peers: record.want.names };
  if (linkId === undefined || !link) return truth;
  const { group, size = 0, room, members, formed } = link;
  const named = group === undefined ? {} : { group: { name: group, size } };
  if (!formed) truth.wait = { until: record?.until ?? 0, ...named };
  else {
    truth.link = { id: linkId, peers: members.filter((id) => id !== socketId), ...named };
    if (room) truth.link.room = room;
  }
  return truth;
}
