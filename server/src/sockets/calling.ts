// The calls of the sockets of one host: of each socket one at a time and in order, of different sockets in parallel. A
// socket that is to move makes no further call until it has arrived, or stays.
import type { Room } from '@colyseus/core';
import type { CallEvent, Caller, DeadLetters, Endpoint, Reply } from '../calls/index.ts';
import { asBatonError, BatonError, messageUnrouted, receiveMissing, receiveOverflow } from '../errors.ts';
import type { Mapping } from '../mappings/index.ts';
import { registerMovable, trackOf } from '../migration/index.ts';
import type { Log } from '../telemetry/index.ts';
import type { TenantLog } from '../tenants/index.ts';
import { Pause } from './backpressure.ts';
import { CallLine, receiveCall, type WaitingCall } from './call-line.ts';
import { CloseCode } from './close-codes.ts';
import { ReceiveBuffer } from './receive/criteria.ts';
import { pick, routesOf } from './receive/routes.ts';
import type { Entry } from './roster.ts';
import type { HostedSocket } from './service.ts';
import type { SocketMessage } from './speech.ts';
import { note, noteCall } from './timeline.ts';

export interface CallingOptions {
  caller: Caller;
  deadLetters: DeadLetters;
  log: Log;
  tenantLog: Pick<TenantLog, 'failed'>;
  /** Epoch at which this host owns a socket. */
  epoch(socketId: string): number | undefined;
  /** Does what a function answered to a call for an open socket. */
  act(room: HostedSocket, reply: Reply): void;
}

/** What this process does for a socket; does not move. */
interface Activity {
  /** A call is under way. */
  busy: boolean;
  /** It goes on when the socket stays. */
  waits: boolean;
  /** Set once the socket is closed: what its last calls tell of it, and who waits for them. */
  closed?: { entry: Entry; through: () => void };
  timer?: NodeJS.Timeout;
  due?: number;
}

const JSON_TYPE = 'application/json';
registerMovable(CallLine, ReceiveBuffer);

export class Calling {
  private readonly options: CallingOptions;
  private readonly activities = new WeakMap<HostedSocket, Activity>();

  constructor(options: CallingOptions) {
    this.options = options;
  }

  /** The first call for a socket. @throws BATON_CALL_FAILED */
  async open(room: HostedSocket, options: unknown): Promise<Reply> {
    const activity = this.of(room);
    const since = performance.now();
    activity.busy = true;
    note(room, 'call', 'open');
    try {
      const body = Buffer.from(JSON.stringify(options ?? {}));
      const { remoteAddress } = room;
      const event = { ...this.event(room, activity, 'open', JSON_TYPE, body), remoteAddress };
      const reply = await this.options.caller.call(room.mapping.open, event);
      noteCall(room, 'open', since);
      return reply;
    } catch (error) {
      noteCall(room, 'open', since, asBatonError(error).code);
      throw error;
    } finally {
      activity.busy = false;
      if (activity.closed) this.proceed(room);
    }
  }

  /** It is open: what its client said meanwhile is told. */
  begin(room: HostedSocket): void {
    this.proceed(room);
    const { busy, due, closed } = this.of(room);
    if (!busy && due === undefined && !closed) this.activities.delete(room); // many sockets never say anything
  }

  /**
   * A message for the receive endpoint.
   * @param message lent
   * @param request number of the client's request that it is: a call of its own, whose answer is the client's
   */
  received(room: HostedSocket, { data, text }: SocketMessage, request?: number): void {
    const { calls: line, mapping } = room;
    if (line.version !== mapping.version) {
      line.flush(false);
      line.version = mapping.version;
    }
    const routes = routesOf(mapping.receive ?? []);
    const n = pick(routes, data);
    if (n < 0) {
      const error = mapping.receive
        ? messageUnrouted({ mapping: mapping.name })
        : receiveMissing({ mapping: mapping.name });
      if (request === undefined) this.report(room, error);
      else room.answer(request, { error });
      return;
    }
    const { entry, criteria } = routes[n]!;
    if (criteria === undefined || request !== undefined)
      line.push({ ...receiveCall(entry, n, { data: Buffer.from(data), text }), request });
    else if (!line.receive(entry, n, criteria, { data, text })) {
      this.overflow(room, `${entry.maxBuffer} bytes`);
      return;
    }
    if (line.overrun) this.overflow(room, 'its calls take longer than it speaks');
    else if (line.full) room.connection?.pauseReading(Pause.calls);
    this.arm(room);
    this.proceed(room);
  }

  /** Its link has begun or ended. */
  changed(room: HostedSocket, type: 'linked' | 'unlinked', peers: string[]): void {
    const endpoint = room.mapping[type];
    if (!endpoint || room.gone) return;
    room.calls.push({ type, endpoint, contentType: JSON_TYPE, body: Buffer.from(JSON.stringify({ peers })) });
    this.proceed(room);
  }

  /** Came from another host. */
  arrived(room: HostedSocket): void {
    this.arm(room);
    this.proceed(room);
  }

  /** The socket is closed. @returns when its last call, the one that says so, is made */
  closed(room: HostedSocket, entry: Entry, reason: string): Promise<void> {
    const { calls: line, status } = room;
    const activity = this.of(room);
    clearTimeout(activity.timer);
    if (status === 'opening') line.clear();
    else line.flush(true);
    if (entry.close) {
      const body = Buffer.from(JSON.stringify({ reason }));
      line.push({ type: 'close', endpoint: entry.close, contentType: JSON_TYPE, body });
    }
    return new Promise((resolve) => {
      activity.closed = { entry, through: resolve };
      this.proceed(room);
    });
  }

  /** The close call of a socket whose host has died. */
  async lost(socketId: string, entry: Entry): Promise<void> {
    if (!entry.close) return;
    const { tenant, mapping, version, playerId, attributes, epoch } = entry;
    const event: CallEvent = {
      ...{ type: 'close', tenant, mapping, mappingVersion: version, socketId, playerId, epoch, attributes },
      sequence: undefined,
      contentType: JSON_TYPE,
      body: Buffer.from(JSON.stringify({ reason: 'host-lost' })),
    };
    await this.options.caller
      .tell(entry.close, event, closeId(socketId))
      .catch((error) => this.failed(error, event, entry.close!));
  }

  /**
   * Makes a call again that was not delivered.
   * @param mapping its mapping, as it is today
   * @throws BATON_DEAD_LETTER_NOT_FOUND, BATON_CALL_FAILED
   */
  async replay(
    tenant: string,
    number: number,
    mapping: (name: string) => Mapping | undefined,
  ): Promise<void> {
    const { deadLetters, caller } = this.options;
    await deadLetters.replay(tenant, number, caller, ({ event: { type, mapping: name }, route = 0 }) => {
      const today = mapping(name);
      return type === 'receive' ? today?.receive?.[route] : today?.[type];
    });
  }

  private of(room: HostedSocket): Activity {
    let activity = this.activities.get(room);
    if (!activity) this.activities.set(room, (activity = { busy: false, waits: false }));
    return activity;
  }

  /** Makes the next call, unless one is under way or the socket is to move. */
  private proceed(room: HostedSocket): void {
    const activity = this.of(room);
    if (activity.busy) return;
    const { calls: line } = room;
    if (line.empty) {
      activity.closed?.through();
      return;
    }
    if (!activity.closed && (room.status === 'opening' || this.leaves(room, activity))) return;
    activity.busy = true;
    const call = line.next()!;
    const made = this.make(room, activity, call);
    if (!activity.closed) trackOf(room as unknown as Room).follow(`${call.type} call`, made);
  }

  /** @returns whether the socket is to move; then it goes on where it arrives, or here once it stays */
  private leaves(room: HostedSocket, activity: Activity): boolean {
    const track = trackOf(room as unknown as Room);
    if (!track.resting) return false;
    if (!activity.waits) {
      activity.waits = true;
      track.stays().then(() => {
        activity.waits = false;
        this.arrived(room);
      });
    }
    return true;
  }

  /** Never rejects. */
  private async make(room: HostedSocket, activity: Activity, call: WaitingCall): Promise<void> {
    const { type, endpoint, contentType, body, route, request } = call;
    const event = this.event(room, activity, type, contentType, body);
    const since = performance.now();
    if (type !== 'receive') note(room, 'call', type);
    try {
      const { caller } = this.options;
      const reply = await (type === 'close'
        ? caller.tell(endpoint, event, closeId(room.roomId))
        : caller.call(endpoint, event));
      noteCall(room, type, since);
      if (reply) this.answered(room, activity, reply, request);
    } catch (error) {
      noteCall(room, type, since, asBatonError(error).code);
      if (request === undefined) await this.failed(error, event, endpoint, route);
      if (!room.gone && request === undefined) this.report(room, asBatonError(error));
      else if (!room.gone) room.answer(request!, { error: asBatonError(error) }); // it may ask again
    }
    activity.busy = false;
    if (!room.calls.full) room.connection?.resumeReading(Pause.calls);
    this.proceed(room);
  }

  private answered(room: HostedSocket, activity: Activity, reply: Reply, request?: number): void {
    if (activity.closed || room.gone) return;
    if (request === undefined) {
      this.options.act(room, reply);
      return;
    }
    const { actions, message } = reply;
    const { send, ...others } = actions;
    room.answer(request, { value: message ? said(message) : send });
    this.options.act(room, { actions: others });
  }

  private event(
    room: HostedSocket,
    activity: Activity,
    type: CallEvent['type'],
    contentType: string,
    body: Uint8Array,
  ): CallEvent {
    const { roomId: socketId, mapping, playerId, attributes, calls: line } = room;
    return {
      type,
      tenant: mapping.tenant,
      mapping: mapping.name,
      mappingVersion: mapping.version,
      socketId,
      playerId,
      epoch: activity.closed ? activity.closed.entry.epoch : this.options.epoch(socketId),
      sequence: ++line.made,
      attributes,
      contentType,
      body,
    };
  }

  private async failed(error: unknown, event: CallEvent, { url }: Endpoint, route?: number): Promise<void> {
    const { log, tenantLog, deadLetters } = this.options;
    const { socketId, tenant, type, mapping: name } = event;
    tenantLog.failed({ roomId: socketId, tenant, mapping: { name } }, error, `the ${type} function failed`);
    if (!(error instanceof BatonError)) return;
    const { reason, attempts, callId } = error.details as Record<string, any>;
    try {
      await deadLetters.add({ callId, reason, attempts, url, route, event });
    } catch (cause) {
      log.warn({ socketId, err: cause }, 'a call that failed is not on the list of dead letters');
    }
  }

  /** Looks again when the first `every` is due. */
  private arm(room: HostedSocket): void {
    const activity = this.of(room);
    const due = room.calls.deadline;
    if (due === activity.due) return;
    clearTimeout(activity.timer);
    activity.due = due;
    if (due !== undefined)
      activity.timer = setTimeout(() => this.expire(room, activity), Math.max(0, due - Date.now()));
  }

  private expire(room: HostedSocket, activity: Activity): void {
    activity.due = undefined;
    if (activity.closed || this.leaves(room, activity)) return;
    room.calls.expire(Date.now());
    this.arm(room);
    this.proceed(room);
  }

  private overflow(room: HostedSocket, limit: string): void {
    room.end(CloseCode.receiveOverflow, receiveOverflow({ limit }));
  }

  private report(room: HostedSocket, { code, message }: BatonError): void {
    room.say('error', { code, message });
  }
}

/** What a function said in plain words. */
export const said = ({ data, text }: SocketMessage): string | Uint8Array =>
  text ? Buffer.from(data).toString() : data;

/** The same whoever makes it: a host that died in between may have told it already. */
const closeId = (socketId: string) => `${socketId}-close`;
