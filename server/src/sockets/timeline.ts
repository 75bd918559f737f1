// What happened to one socket, from its opening to its close: kept on its room, so that it moves with it, and for a while
// after the close on the host where that was. An event is five plain values in a row, and a socket that nothing happens to
// keeps none.
import type { Mapping } from '../mappings/index.ts';
import { registerMovable, trackOf } from '../migration/index.ts';

/** The first ones stay, … */
const FIRST_EVENTS = 8;
/** … and the last; those between go. */
const MAX_EVENTS = 32;
/** Characters of what an event says. */
const MAX_EVENT_TEXT = 80;
/** Values of one event: when, what, its text, its number, how often in a row. */
const WIDTH = 5;
/** Of closed sockets of one tenant, … */
export const MAX_PAST_OF_TENANT = 500;
/** … and of all tenants. */
const MAX_PAST = 5_000;
export const PAST_KEPT_MS = 10 * 60_000;

export const EVENTS = [
  'opened',
  'call',
  'reply',
  'failed',
  'receive',
  'waiting',
  'linked',
  'unlinked',
  'room',
  'moved',
  'dropped',
  'back',
  'closed',
] as const;
export type EventName = (typeof EVENTS)[number];

export class Timeline {
  readonly values: (number | string)[] = [];
  /** Events that were between the first and the last. */
  left = 0;
  /** Since when it has been without peers, or is in this link (Date.now() ms). */
  since: number;
  /** It has had peers. */
  linked = false;

  constructor(since: number) {
    this.since = since;
  }

  add(what: EventName, text = '', number = 0, repeats = false): void {
    const { values } = this;
    const last = values.length - WIDTH;
    const said = text.length > MAX_EVENT_TEXT ? `${text.slice(0, MAX_EVENT_TEXT - 1)}…` : text;
    if (repeats && last >= 0 && values[last + 1] === what && values[last + 2] === said) {
      values[last + 3] = number;
      (values[last + 4] as number)++;
      return;
    }
    if (values.length >= MAX_EVENTS * WIDTH) {
      values.splice(FIRST_EVENTS * WIDTH, WIDTH);
      this.left++;
    }
    values.push(Date.now(), what, said, number, 1);
  }
}

registerMovable(Timeline);

/** A hosted socket's room, as far as its timeline goes. */
export interface TimedSocket {
  readonly roomId: string;
  readonly mapping: Mapping;
  readonly playerId: string;
  readonly openedAt: number;
  readonly peers: readonly string[];
  timeline: Timeline | undefined;
}

/** What a socket keeps of itself, as it is told. */
export interface TimelineView {
  socketId: string;
  tenant: string;
  mapping: string;
  playerId: string;
  openedAt: number;
  closed: boolean;
  /** Events between the first and the last that were not kept. */
  left: number;
  events: TimelineEvent[];
}

export interface TimelineEvent {
  /** Unix time in ms. */
  at: number;
  event: EventName;
  /** Where it was then. */
  host: string;
  detail?: string;
  /** How long it took. */
  ms?: number;
  /** Close code. */
  code?: number;
  /** So many of them in a row. */
  times?: number;
}

const CLOSE_CODE = new Set<EventName>(['closed']);

/** Who a timeline is of. */
export type Subject = Pick<TimelineView, 'socketId' | 'tenant' | 'mapping' | 'playerId' | 'openedAt'>;

export const subjectOf = ({ roomId, mapping, playerId, openedAt }: TimedSocket): Subject => ({
  ...{ socketId: roomId, tenant: mapping.tenant, mapping: mapping.name },
  ...{ playerId, openedAt },
});

export function timelineView(subject: Subject, timeline: Timeline | undefined): TimelineView {
  const { values = [], left = 0 } = timeline ?? {};
  const events: TimelineEvent[] = [];
  let host = '';
  for (let i = 0; i < values.length; i += WIDTH) {
    const [at, event, text, number, times] = values.slice(i, i + WIDTH) as [
      number,
      EventName,
      string,
      number,
      number,
    ];
    if (event === 'opened') host = text;
    else if (event === 'moved') host = text.slice(text.indexOf(' ') + 1);
    const detail = event === 'opened' ? '' : text;
    events.push({
      ...{ at, event, host },
      ...(detail === '' ? {} : { detail: event === 'moved' ? detail.replace(' ', ' → ') : detail }),
      ...(number === 0 ? {} : CLOSE_CODE.has(event) ? { code: number } : { ms: number }),
      ...(times === 1 ? {} : { times }),
    });
  }
  // the close function is told afterwards
  const closed = events.some(({ event }) => event === 'closed');
  return { ...subject, closed, left, events };
}

/** Writes down that something happened to a socket. @param number milliseconds that it took, or a close code */
export function note(room: TimedSocket, what: EventName, text?: string, number?: number): void {
  (room.timeline ??= new Timeline(room.openedAt)).add(what, text, number);
}

/** A call to the socket's function is through. @param failure code of the catalogue */
export function noteCall(room: TimedSocket, type: string, since: number, failure?: string): void {
  const timeline = (room.timeline ??= new Timeline(room.openedAt));
  const ms = Math.round((performance.now() - since) * 10) / 10;
  const what = failure !== undefined ? 'failed' : type === 'receive' ? 'receive' : 'reply';
  timeline.add(
    what,
    failure === undefined ? (type === 'receive' ? '' : type) : `${type}: ${failure}`,
    ms,
    true,
  );
}

/** Its peers have come or gone. @returns how long it took from its opening, the first time that it has peers */
export function noteLink(
  room: TimedSocket,
  change: 'linked' | 'unlinked',
  peers: string[],
): number | undefined {
  const timeline = (room.timeline ??= new Timeline(room.openedAt));
  const now = Date.now();
  const first = change === 'linked' && !timeline.linked ? now - room.openedAt : undefined;
  if (change === 'linked') timeline.linked = true;
  if (change === 'linked' || room.peers.length === 0) timeline.since = now;
  timeline.add(change, peers.join(', '), first);
  return first;
}

/** It came from another host. */
export function noteMove(room: TimedSocket, from: string, to: string): void {
  note(room, 'moved', `${from} ${to}`, Math.round((trackOf(room as never).lastBlackoutMs ?? 0) * 10) / 10);
}

/** Timelines of sockets that have closed here: the last ones of each tenant. */
export class PastTimelines {
  private readonly tenants = new Map<
    string,
    Map<string, { subject: Subject; timeline: Timeline; at: number }>
  >();
  private size = 0;

  /** @param code close code; 0 for none */
  keep(subject: Subject, timeline: Timeline, reason: string, code: number): void {
    timeline.add('closed', reason, code);
    let past = this.tenants.get(subject.tenant);
    if (!past) this.tenants.set(subject.tenant, (past = new Map()));
    if (past.delete(subject.socketId)) this.size--;
    past.set(subject.socketId, { subject, timeline, at: Date.now() });
    this.size++;
    this.trim(past, MAX_PAST_OF_TENANT);
    if (this.size <= MAX_PAST) return;
    const largest = [...this.tenants.values()].reduce((a, b) => (a.size >= b.size ? a : b));
    this.trim(largest, largest.size - 1);
  }

  get(tenant: string, socketId: string): TimelineView | undefined {
    const found = this.tenants.get(tenant)?.get(socketId);
    if (!found || Date.now() - found.at > PAST_KEPT_MS) return undefined;
    return timelineView(found.subject, found.timeline);
  }

  /** The oldest are first. */
  private trim(past: Map<string, { at: number }>, most: number): void {
    const until = Date.now() - PAST_KEPT_MS;
    for (const [socketId, { at }] of past) {
      if (past.size <= most && at > until) return;
      past.delete(socketId);
      this.size--;
    }
  }
}
