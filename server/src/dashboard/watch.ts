// Viewers of this host: while there are any, the hosts are asked to report, and what changes is passed on.
import type { EventSink, Principal, WatchBackend, WatchSnapshot } from '../control/index.ts';
import { tooManyViewers } from '../errors.ts';
import type { MappingRegistry } from '../mappings/index.ts';
import { BOUNDS } from '../telemetry/index.ts';
import type { Tenants } from '../tenants/index.ts';
import { within } from '../within.ts';
import { Audience, type Beside, type Sight, sightOf } from './audience.ts';
import { Picture } from './picture.ts';
import { REPORT_CHANNEL, reportSchema, WATCH_CHANNEL, type WatchRequest } from './report.ts';
import { Reporter, type ReporterOptions, WATCHED_MS } from './reporter.ts';

/** Of one host, those that still wait for their snapshot counted, … */
const MAX_VIEWERS = 64;
/** … of them all with keys of tenants: the others are the operator's, … */
const MAX_VIEWERS_OF_TENANTS = 48;
/** … of one tenant … */
const MAX_VIEWERS_OF_TENANT = 16;
/** … and of one key. */
const MAX_VIEWERS_OF_KEY = 8;
/** Hosts report together: what they say is passed on so long after the first of them. */
const GATHER_MS = 150;
/** A sign of life for viewers to whom nothing else is said. */
const BEAT_EVERY_MS = 2_000;
/** How long a first viewer waits for the hosts to report. */
const FIRST_REPORTS_MS = 1_500;
const LOOK_MS = 20;
/** The picture is kept for a viewer that is just connecting again. */
const LINGER_MS = 3_000;
/** Dead letters that viewers are told of; more are at `GET /v1/dead-letters`. */
const MAX_LETTERS_SHOWN = 50;
const MAX_MAPPINGS_SHOWN = 500;

export interface WatchOptions extends ReporterOptions {
  tenants: Tenants;
  mappings: MappingRegistry;
  deadLetters: { newest(tenant: string, limit: number): Promise<object[]> };
}

interface Letters {
  /** How often the list had changed when it was read. */
  changes: number;
  list: object[];
  reading: boolean;
}

export class Watch implements WatchBackend {
  private readonly options: WatchOptions;
  private readonly reporter: Reporter;
  private readonly picture = new Picture();
  private readonly audiences = new Map<string, Audience>();
  private readonly letters = new Map<string, Letters>();
  private readonly mappings = new Map<string, unknown[]>();
  private readonly beside: Beside;
  /** Hosts that have to say everything. */
  private readonly missed = new Set<string>();
  /** Who watches or looks, or is about to: one for each time. */
  private readonly viewers = new Set<{ principal: Principal }>();
  private timers: NodeJS.Timeout[] = [];
  private starting: Promise<void> | undefined;
  private due: NodeJS.Timeout | undefined;
  private lingering: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(options: WatchOptions) {
    this.options = options;
    this.reporter = new Reporter(options);
    const { tenants, mappings } = options;
    mappings.onChange((tenant) => void this.mappings.delete(tenant));
    this.beside = {
      tenants: () => tenants.list(),
      mappings: (tenant) => this.mappingsOf(tenant),
      letters: (tenant) => this.letters.get(tenant)?.list ?? [],
      bounds: BOUNDS,
    };
  }

  start(): Promise<void> {
    return this.reporter.start();
  }

  /** Viewers are sent to another host, and the others told that this one goes. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const { viewers } of this.audiences.values()) for (const { out } of viewers) out.end('leaving');
    this.close();
    await this.reporter.stop();
  }

  async look(principal: Principal): Promise<WatchSnapshot> {
    return this.during(principal, async () => {
      const sight = await this.prepared(principal);
      return JSON.parse(new Audience(sight, this.picture, this.beside).snapshot(principal));
    });
  }

  async watch(principal: Principal, out: () => EventSink): Promise<void> {
    if (this.stopped) return out().end('leaving');
    await this.during(principal, async () => {
      const sight = await this.prepared(principal);
      this.pass(); // those who are here already do not hear of it twice
      const audience = this.audience(sight);
      const stream = out();
      if (this.stopped) return stream.end('leaving'); // meanwhile
      const viewer = { principal, out: stream, behind: false };
      audience.viewers.add(viewer);
      try {
        stream.send('snapshot', audience.snapshot(principal));
        await stream.closed;
      } finally {
        audience.viewers.delete(viewer);
        if (audience.viewers.size === 0) this.audiences.delete(JSON.stringify(sight));
      }
    });
  }

  /** @throws BATON_TOO_MANY_VIEWERS */
  private assertRoom({ key, tenant, operator }: Principal): void {
    const refuse = (what: string, limit: number) => tooManyViewers({ what, limit, retryAfter: 5 });
    if (this.viewers.size >= MAX_VIEWERS) throw refuse('The host', MAX_VIEWERS);
    if (operator) return;
    const theirs = [...this.viewers].map(({ principal }) => principal).filter((one) => !one.operator);
    const ofTenant = theirs.filter((one) => one.tenant === tenant);
    if (ofTenant.filter((one) => one.key === key).length >= MAX_VIEWERS_OF_KEY)
      throw refuse('This key', MAX_VIEWERS_OF_KEY);
    if (ofTenant.length >= MAX_VIEWERS_OF_TENANT) throw refuse('The tenant', MAX_VIEWERS_OF_TENANT);
    if (theirs.length >= MAX_VIEWERS_OF_TENANTS) throw refuse('The host', MAX_VIEWERS_OF_TENANTS);
  }

  /** The hosts report meanwhile. */
  private async during<T>(principal: Principal, work: () => Promise<T>): Promise<T> {
    this.assertRoom(principal);
    const viewer = { principal };
    this.viewers.add(viewer);
    clearTimeout(this.lingering);
    try {
      this.starting ??= this.open();
      await this.starting;
      return await work();
    } finally {
      this.viewers.delete(viewer);
      if (this.viewers.size === 0) this.lingering = setTimeout(() => this.close(), LINGER_MS).unref();
    }
  }

  private async open(): Promise<void> {
    const { store } = this.options;
    try {
      await store.presence.subscribe(REPORT_CHANNEL, this.heard);
      this.timers = [
        setInterval(() => this.ask([...this.missed]), WATCHED_MS / 3).unref(),
        setInterval(() => this.pass(), BEAT_EVERY_MS).unref(),
      ];
      await this.ask('all');
      await within(FIRST_REPORTS_MS, this.allReported());
    } catch (error) {
      this.close();
      throw error;
    }
  }

  private async ask(full: WatchRequest['full']): Promise<void> {
    const request: WatchRequest = { full };
    await this.options.store.presence.publish(WATCH_CHANNEL, request).catch(() => {});
  }

  private async allReported(): Promise<void> {
    const hosts = await this.options.store.hosts();
    const until = performance.now() + FIRST_REPORTS_MS;
    while (!hosts.every(({ id }) => this.picture.has(id)) && performance.now() < until)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }

  private close(): void {
    clearTimeout(this.lingering);
    clearTimeout(this.due);
    this.due = undefined;
    for (const timer of this.timers.splice(0)) clearInterval(timer);
    if (this.starting) this.options.store.presence.unsubscribe(REPORT_CHANNEL, this.heard);
    this.starting = undefined;
    this.picture.clear();
    this.letters.clear();
    this.mappings.clear();
    this.missed.clear();
  }

  private readonly heard = (message: unknown): void => {
    const report = reportSchema.safeParse(message);
    if (!report.success) {
      this.options.log.warn({ err: report.error }, 'a report of a host is not one');
      return;
    }
    const { id } = report.data.host;
    this.due ??= setTimeout(() => this.pass(), GATHER_MS).unref();
    if (this.picture.apply(report.data)) this.missed.delete(id);
    else if (!this.missed.has(id)) {
      this.missed.add(id);
      void this.ask([id]);
    }
  };

  private pass(): void {
    clearTimeout(this.due);
    this.due = undefined;
    this.picture.sweep(this.options.store.connected);
    const changes = this.picture.changes();
    for (const audience of this.audiences.values()) {
      if (audience.sight.letters) void this.readLetters(audience.sight.tenant);
      audience.tell(changes);
    }
  }

  /** What a new viewer may see, once that is here. */
  private async prepared(principal: Principal): Promise<Sight> {
    const sight = sightOf(principal);
    if (sight.letters) await this.readLetters(sight.tenant);
    return sight;
  }

  private audience(sight: Sight): Audience {
    const key = JSON.stringify(sight);
    let audience = this.audiences.get(key);
    if (!audience) this.audiences.set(key, (audience = new Audience(sight, this.picture, this.beside)));
    return audience;
  }

  private mappingsOf(tenant: string): unknown[] {
    let views = this.mappings.get(tenant);
    if (!views)
      this.mappings.set(tenant, (views = this.options.mappings.list(tenant, { limit: MAX_MAPPINGS_SHOWN })));
    return views;
  }

  /** Again only when the list has changed. Never rejects. */
  private async readLetters(tenant: string): Promise<void> {
    const changes = this.picture.letterChanges(tenant);
    let letters = this.letters.get(tenant);
    if (!letters) this.letters.set(tenant, (letters = { changes: -1, list: [], reading: false }));
    if (letters.changes === changes || letters.reading) return;
    letters.reading = true;
    try {
      const list = await this.options.deadLetters.newest(tenant, MAX_LETTERS_SHOWN);
      letters.list = list.map((letter) => ({ ...letter, body: undefined }));
      letters.changes = changes;
    } catch (error) {
      this.options.log.debug({ err: error }, 'dead letters were not read');
    } finally {
      letters.reading = false;
    }
  }
}
