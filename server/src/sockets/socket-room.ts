// The room behind a hosted socket. Everything it keeps is plain, so it moves like any other room.
import { type AuthContext, type Client, ClientState, matchMaker, Room } from '@colyseus/core';
import { internals, type RoomClient } from '../colyseus/room-internals.ts';
import {
  heldOverflow,
  messageReserved,
  messageUnknown,
  messageUntranslatable,
  notLinked,
  socketIdle,
  tooManyMessages,
} from '../errors.ts';
import { runNoLoops, trackOf } from '../migration/index.ts';
import { counters } from '../telemetry/index.ts';
import type { Connection } from '../transport/index.ts';
import { Pause, waitFor } from './backpressure.ts';
import { CallLine } from './call-line.ts';
import { asServerError, CloseCode } from './close-codes.ts';
import { isData, reservedType } from './frames.ts';
import { lanesChanged, openLane } from './lane.ts';
import { inform, type Truth, type Wish } from './links/index.ts';
import { MessageRate } from './message-rate.ts';
import { MESSAGE_OVERHEAD, Resume } from './resume.ts';
import type { HostedSocket, Player, Seat } from './service.ts';
import { controlIn, Form, fromColyseus, hearsEvents, isForService, type Speech, unmarked } from './speech.ts';
import type { TakenTicket } from './tickets.ts';
import { VisitingRoom } from './visiting-room.ts';

/** Of what a client says about the counting and nothing more: so many times a second. */
const MAX_POKES = 20;

/** Colyseus' name of the one type of room behind all hosted sockets. */
export const SOCKET_ROOM = 'baton:socket';

interface Held {
  bytes: Uint8Array;
  form: Form;
}

export class SocketRoom extends VisitingRoom implements HostedSocket {
  override patchRate = null;
  ticket: TakenTicket | undefined;
  /** Date.now() ms. */
  openedAt = 0;
  remoteAddress: string | undefined;
  status: HostedSocket['status'] = 'opening';
  alias: string | undefined;
  /** Version of what is known of its links; with it they are as the store's records say. */
  known = 0;
  link: Truth['link'];
  wait: Truth['wait'];
  peers: string[] = [];
  bereft = false;
  attributes: Record<string, unknown> | undefined;
  timeline: HostedSocket['timeline'] = undefined;
  readonly calls = new CallLine();
  dismissed: HostedSocket['dismissed'] = undefined;
  /** What was not yet passed on, in order. */
  held: Held[] = [];
  heldBytes = 0;
  /** The client was told that it speaks to nobody. */
  warned = false;
  /** Number of the request that the next message of the client is. */
  asking: number | undefined;
  readonly rate = new MessageRate();
  readonly pokes = new MessageRate();

  constructor() {
    super();
    runNoLoops(this);
  }

  /** Seats are given by the service alone, to players it knows. */
  static override async onAuth(_token: string, _options: unknown, _context: AuthContext): Promise<unknown> {
    return false;
  }

  /** Between the creation of the room and its player's seat. */
  begin({ playerId, mapping, attributes, ticket }: Player, speech: Speech, remoteAddress?: string): void {
    this.mapping = mapping;
    this.playerId = playerId;
    this.attributes = attributes;
    this.ticket = ticket;
    this.speech = speech;
    if (speech === 'baton.resume.v1') this.resume = new Resume();
    this.openedAt = Date.now();
    this.remoteAddress = remoteAddress;
  }

  override async onJoin(_client: Client, options: unknown): Promise<void> {
    try {
      await SocketRoom.service.opened(this, options);
    } catch (error) {
      throw asServerError(error, CloseCode.openFailed);
    }
  }

  override async onLeave(_client: Client, code?: number): Promise<void> {
    this.closing = true;
    await SocketRoom.service.closed(this, this.closedWith ?? code);
  }

  /** The seat of a client that comes back by `client.reconnect()`; null for a token that is none of its client's. */
  seatOf(token: string): Seat | null {
    const { mapping, roomId } = this;
    const sessionId = this.sessionOf(token);
    if (sessionId === undefined) return null;
    return { name: mapping.name, roomId, sessionId, processId: matchMaker.processId };
  }

  protected dropped(): void {
    this.pauseVisit();
    SocketRoom.service.dropped(this);
  }

  protected returned(): void {
    SocketRoom.service.returned(this);
  }

  protected resumed(): void {
    this.rate.returned(this.mapping.maxMessagesPerSecond);
    this.returned();
    SocketRoom.service.relinked(this); // there may be another room by now
  }

  /** A peer has lost its connection, or is back. */
  noticed(event: 'peer-drop' | 'peer-back', peer: string): void {
    if (this.peers.includes(peer)) this.say(event, { peer });
  }

  override onMigrated({ from }: { from: string }): void {
    SocketRoom.service.arrived(this, from);
    this.inform('migrated', { moves: trackOf(this).moves });
  }

  get tenant(): string {
    return this.mapping.tenant;
  }

  get settled(): boolean {
    return this.known > 0;
  }

  get together(): boolean {
    return this.company() !== undefined;
  }

  /** Its peers, when all of them are in this process and know of the link. */
  private company(): HostedSocket[] | undefined {
    const { link, peers } = this;
    if (!link || peers.length === 0) return undefined;
    const found: HostedSocket[] = [];
    for (const id of peers) {
      const peer = SocketRoom.service.local(id);
      if (peer?.link?.id !== link.id || !peer.peers.includes(this.roomId)) return undefined;
      found.push(peer);
    }
    return found;
  }

  // --- what the client says

  /** @returns whether the frame was data, or is done with; everything else stays Colyseus' business */
  hear(client: RoomClient, frame: Uint8Array, isBinary: boolean): boolean {
    if (this.closing || client.state === ClientState.LEAVING) return true;
    if (this.strayed(frame, isBinary)) return true;
    const forService = !isBinary && hearsEvents(this.speech) && isForService(frame);
    if (forService && this.speech === 'baton.resume.v1') {
      this.takeControl(frame);
      return true;
    }
    if (!this.withinRate()) return true;
    if (this.speech === 'colyseus') {
      if (!isData(frame)) return false;
      this.takeFrame(frame);
    } else if (forService) this.report(messageUnknown());
    else this.takePlain(frame, isBinary);
    return true;
  }

  private takePlain(bytes: Uint8Array, isBinary: boolean): void {
    this.count(bytes);
    const text = !isBinary;
    const data = text && hearsEvents(this.speech) ? unmarked(bytes) : bytes;
    const { asking } = this;
    this.asking = undefined;
    if (asking === undefined) this.take(data, text ? Form.text : Form.binary);
    else SocketRoom.service.asked(this, { data, text }, asking);
  }

  /** One message more of a client that counts, too. */
  private count({ length }: Uint8Array): void {
    const { resume } = this;
    if (!resume) return;
    if (resume.hear(length)) this.confirm(resume);
    else SocketRoom.service.confirmLater(this);
  }

  /** What serves the counting itself is not counted, nor are the ways into a room and out of it. */
  private takeControl(bytes: Uint8Array): void {
    const said = controlIn(bytes);
    if (said && 'ack' in said) {
      if (this.acknowledge(said.ack, said.ask ?? false)) return;
    } else if (said && 'enter' in said) {
      if (!this.withinRate()) return;
      if (!this.enter(said.enter)) this.goOn(CloseCode.roomRefused, 'BATON_ROOM_NOT_FOUND');
      return;
    } else if (said && 'back' in said) {
      this.poked(); // it was not away, or has said so
      return;
    } else if (said && 'request' in said && this.asking === undefined) {
      this.count(bytes);
      this.asking = said.request;
      return;
    }
    if (!this.withinRate()) return;
    this.count(bytes);
    this.report(messageUnknown());
  }

  private takeFrame(frame: Uint8Array): void {
    const type = reservedType(frame);
    if (type === undefined) this.take(frame, Form.colyseus);
    else this.report(messageReserved({ type }));
  }

  /** Data, which go where the mapping says. */
  private take(bytes: Uint8Array, form: Form): void {
    const { forward } = this.mapping;
    // with an endpoint that hears all, nobody misses a peer
    if (forward === 'peers' || (forward === 'both' && this.status !== 'open')) this.relay(bytes, form);
    if (forward === 'peers') return;
    const text = form === Form.text;
    const message = form === Form.colyseus ? fromColyseus(bytes) : { data: bytes, text };
    if (message) SocketRoom.service.received(this, message);
    else this.report(messageUntranslatable());
  }

  private relay(bytes: Uint8Array, form: Form): void {
    const company = this.company();
    if (company) {
      if (this.held.length > 0) this.flush();
      this.pass(company, bytes, form);
      openLane(this, company);
      return;
    }
    if (this.status === 'open') {
      if (!this.warned) this.report(notLinked());
      this.warned = true;
      return;
    }
    this.heldBytes += bytes.length + MESSAGE_OVERHEAD;
    const { maxHeld, volatile } = this.mapping;
    if (this.heldBytes > maxHeld && this.held.length > 0) {
      if (volatile) {
        this.heldBytes -= bytes.length + MESSAGE_OVERHEAD;
        counters.messagesLeftOut++;
        return;
      }
      if (this.status === 'waiting') {
        this.end(CloseCode.heldOverflow, heldOverflow({ limit: maxHeld }));
        return;
      }
      this.connection?.pauseReading(Pause.held); // it will not be long: the rest waits in the kernel
    }
    this.held.push({ bytes: Uint8Array.from(bytes), form });
    if (this.peers.length > 0) SocketRoom.service.relinked(this);
  }

  private pass(company: HostedSocket[], bytes: Uint8Array, form: Form): void {
    const { volatile } = this.mapping;
    for (const peer of company) {
      if (volatile && isBusy(peer)) {
        counters.messagesLeftOut++;
        continue;
      }
      if (!peer.deliver(bytes, form)) this.report(messageUntranslatable());
      if (volatile) continue;
      const slow = peer.connection;
      if (slow?.blocked && this.connection) waitFor(this.connection, slow);
      if (peer.crowded) this.connection?.pauseReading(Pause.held); // until it is back, or gone
    }
  }

  flush(): void {
    const company = this.company();
    if (!company) return;
    this.heldBytes = 0;
    this.connection?.resumeReading(Pause.held);
    for (const { bytes, form } of this.held.splice(0)) this.pass(company, bytes, form);
  }

  /** Acknowledgements are no messages; those without any news are few. @returns false when it is nonsense */
  private acknowledge(count: number, ask: boolean): boolean {
    const { resume } = this;
    const news = resume?.confirms(count) ?? -1;
    if (news < 0) return false;
    if ((news > 0 && !ask) || this.poked()) this.confirmed(count, ask);
    return true;
  }

  /** A word that says nothing new. @returns false when it is closed over it */
  private poked(): boolean {
    if (this.pokes.admits(undefined, MAX_POKES)) return true;
    this.end(CloseCode.tooManyMessages, tooManyMessages({ limit: MAX_POKES }));
    return false;
  }

  protected withinRate(): boolean {
    const { maxMessagesPerSecond: limit } = this.mapping;
    if (this.rate.admits(this.connection, limit)) return true;
    this.end(CloseCode.tooManyMessages, tooManyMessages({ limit }));
    return false;
  }

  /** Closes the socket when its client has said nothing for as long as the mapping allows; one that is not read may have. */
  closeIfIdle(now: number): void {
    const { idleTimeout: ms } = this.mapping;
    const heardAt = Math.max(this.openedAt, this.rate.heardAt);
    if (now - heardAt < ms || this.closing || this.status === 'opening') return;
    if (this.away || this.absence || this.connection?.paused) return;
    this.end(CloseCode.idle, socketIdle({ ms }));
  }

  dismiss(closeCode: number, reason: string, by: 'function' | 'deleted'): void {
    this.dismissed = by;
    this.close(closeCode, reason);
  }

  protected close(closeCode: number, reason: string): void {
    if (this.away) SocketRoom.service.recall(this, closeCode, reason);
    this.dropHeld(); // the answer to the farewell has to be read
    this.dismissClient(closeCode, reason);
  }

  // --- links

  /** The open function has answered. @param waits for peers; whether it gets any is decided yet */
  answered(waits: boolean): void {
    this.status = waits ? 'waiting' : 'open';
    if (waits || this.held.length === 0) return;
    this.dropHeld();
    if (this.mapping.forward !== 'peers') return;
    this.report(notLinked());
    this.warned = true;
  }

  /** How it stands with its links, as the store decided; its client hears of the difference. */
  learn(truth: Truth): void {
    const wasLinked = this.peers.length > 0;
    const change = inform(this, truth, this.mapping.onPeerLeave);
    if (!change) return;
    lanesChanged();
    for (const peer of change.left) this.say('peer-left', { peer });
    if (change.linked) this.say('linked', { peers: change.linked });
    if (change.left.length > 0) SocketRoom.service.changed(this, 'unlinked', change.left);
    if (change.linked) SocketRoom.service.changed(this, 'linked', change.linked);
    if (truth.failed) {
      this.say('error', truth.failed);
      SocketRoom.service.linkFailed(this, truth.failed);
    }
    if (wasLinked) this.warned = false;
    // what was said to those who have left is not for others
    if (change.allLeft || this.status === 'open') this.dropHeld();
    SocketRoom.service.relinked(this);
    if (change.close) this.close(CloseCode.peerLeft, 'the peer has left');
  }

  /** What was asked for it does not get; it is linked, or not, as it was. */
  refused({ code, message }: { code: string; message: string }): void {
    this.say('error', { code, message });
  }

  tenantOf(): string {
    return this.tenant;
  }

  wish(wish: Wish): Promise<{ waits: boolean; peers: string[] }> {
    return SocketRoom.service.wish(this, wish);
  }

  private dropHeld(): void {
    this.held = [];
    this.heldBytes = 0;
    this.connection?.resumeReading(Pause.held);
  }
}

/** Its client cannot take anything at once. */
const isBusy = ({ connection, absent, crowded }: HostedSocket): boolean =>
  !connection || connection.blocked || absent || crowded;

const stockOnMessage = internals(Room.prototype)._onMessage;
Object.defineProperty(SocketRoom.prototype, '_onMessage', {
  configurable: true,
  writable: true,
  value(this: SocketRoom, client: RoomClient, frame: Buffer, isBinary: boolean) {
    if (this.hear(client, frame, isBinary)) return;
    stockOnMessage.call(this, client, frame);
    this.listens();
  },
});

/** Of a client that comes, comes back, or has come from another host with the room. */
Object.defineProperty(SocketRoom.prototype, '_onJoin', {
  configurable: true,
  writable: true,
  value(this: SocketRoom, client: RoomClient, ...more: [unknown, object]) {
    (client.ref as unknown as Connection).speaker = this;
    return internals(Room.prototype)._onJoin.call(this, client, ...more); // which is patched by now
  },
});
