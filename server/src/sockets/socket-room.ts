// The room behind a hosted socket. Everything it keeps is plain, so it moves like any other room.
import { type AuthContext, type Client, ClientState, matchMaker, Room } from '@colyseus/core';
import { internals, type RoomClient } from '../colyseus/room-internals.ts';
import {
  type BatonError,
  heldOverflow,
  messageReserved,
  messageUnknown,
  messageUntranslatable,
  notLinked,
  socketIdle,
  tooManyMessages,
} from '../errors.ts';
import type { Mapping } from '../mappings/index.ts';
import { runNoLoops } from '../migration/index.ts';
import { type Connection, ReadyState } from '../transport/index.ts';
import { Pause, waitFor } from './backpressure.ts';
import { CallLine } from './call-line.ts';
import { asServerError, CloseCode } from './close-codes.ts';
import { ENTER, enteredRoom, isBack, isData, leftFrame, reservedType } from './frames.ts';
import { lanesChanged, openLane } from './lane.ts';
import { news, type Truth, type Wish } from './links/index.ts';
import { MessageRate } from './message-rate.ts';
import { SeatRoom } from './seat-room.ts';
import type { HostedSocket, Player, Seat, SocketService, Visit } from './service.ts';
import {
  eventText,
  Form,
  frameOf,
  fromColyseus,
  isForService,
  marked,
  type Speech,
  toColyseus,
  unmarked,
} from './speech.ts';
import type { TakenTicket } from './tickets.ts';

/** Colyseus' code for whoever leaves by itself. */
const CONSENTED = 4000;
const TEXT = { binary: false };
const BINARY = { binary: true };

/** Colyseus' name of the one type of room behind all hosted sockets. */
export const SOCKET_ROOM = 'baton:socket';

interface Held {
  bytes: Uint8Array;
  form: Form;
}

export class SocketRoom extends SeatRoom implements HostedSocket {
  /** Set once per process, before any socket opens. */
  static service: SocketService;

  override patchRate = null;
  /** The mapping the socket was opened with, in the version of that time or one it has adopted. */
  mapping!: Mapping;
  playerId = '';
  ticket: TakenTicket | undefined;
  speech: Speech = 'colyseus';
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
  visit: Visit | undefined;
  invited: string | undefined;
  seat = '';
  /** By which its client comes back when its network fails. */
  seatToken = '';
  /** Until its client has heard that it is back it speaks to the room that it was in. */
  strays = false;
  /** What its client is to hear when it is back. */
  news: Uint8Array[] = [];
  newsBytes = 0;
  /** What was not yet passed on, in order. */
  held: Held[] = [];
  heldBytes = 0;
  /** Bytes for a client that has not confirmed its join yet. */
  earlyBytes = 0;
  /** The client was told that it speaks to nobody. */
  warned = false;
  readonly rate = new MessageRate();

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

  protected patience(): number {
    return this.speech === 'colyseus' ? this.mapping.reconnectTimeout : 0;
  }

  protected dropped(): void {
    SocketRoom.service.dropped(this);
  }

  protected returned(): void {
    SocketRoom.service.returned(this);
  }

  protected overflown(): void {
    this.close(CloseCode.heldOverflow, 'BATON_HELD_OVERFLOW');
  }

  /** A peer has lost its connection, or is back. */
  noticed(event: 'peer-drop' | 'peer-back', peer: string): void {
    if (this.peers.includes(peer)) this.say(event, { peer });
  }

  override onMigrated({ from }: { from: string }): void {
    SocketRoom.service.arrived(this, from);
  }

  get away(): boolean {
    return this.visit?.state === 'inside';
  }

  override get gone(): boolean {
    return this.away ? this.closing : super.gone;
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
    if (this.strays) {
      this.strays = !isBack(frame);
      return true;
    }
    if (!this.withinRate()) return true;
    if (this.speech !== 'colyseus') this.takePlain(frame, isBinary);
    else if (isData(frame)) this.takeFrame(frame);
    else return false;
    return true;
  }

  private takePlain(bytes: Uint8Array, isBinary: boolean): void {
    if (isBinary) this.take(bytes, Form.binary);
    else if (this.speech === 'baton.raw.v1') this.take(bytes, Form.text);
    else if (isForService(bytes)) this.report(messageUnknown());
    else this.take(unmarked(bytes), Form.text);
  }

  private takeFrame(frame: Uint8Array): void {
    const type = reservedType(frame);
    if (type === undefined) this.take(frame, Form.colyseus);
    else if (type === ENTER && this.visit) this.enter(frame, this.visit);
    else this.report(messageReserved({ type }));
  }

  /** One that enters a room which is no longer offered hears of the next one. */
  private enter(frame: Uint8Array, visit: Visit): void {
    if (visit.state !== 'offered' || enteredRoom(frame) !== visit.roomId) return;
    visit.state = 'entering';
    SocketRoom.service.enter(this);
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
    this.heldBytes += bytes.length;
    const { maxHeld } = this.mapping;
    if (this.heldBytes > maxHeld && this.held.length > 0) {
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
    for (const peer of company) {
      if (!peer.deliver(bytes, form)) this.report(messageUntranslatable());
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

  private withinRate(): boolean {
    const { maxMessagesPerSecond: limit } = this.mapping;
    if (this.rate.admits(this.connection, limit)) return true;
    this.end(CloseCode.tooManyMessages, tooManyMessages({ limit }));
    return false;
  }

  /** Closes the socket when its client has said nothing for as long as the mapping allows; one that is not read may have. */
  closeIfIdle(now: number): void {
    const { idleTimeout: ms } = this.mapping;
    const heardAt = Math.max(this.openedAt, this.rate.from); // to the second
    if (now - heardAt < ms || this.closing || this.status === 'opening') return;
    if (this.away || this.absence || this.connection?.paused) return;
    this.end(CloseCode.idle, socketIdle({ ms }));
  }

  // --- what the client hears

  /** Data of a peer. @returns whether it can be said to this client */
  deliver(bytes: Uint8Array, form: Form): boolean {
    if (this.speech === 'colyseus') {
      this.frame(form === Form.colyseus ? bytes : toColyseus(bytes, form === Form.text));
      return true;
    }
    if (form === Form.colyseus) {
      const message = fromColyseus(bytes);
      if (message) this.plain(message.data, message.text);
      return message !== undefined;
    }
    this.plain(bytes, form === Form.text);
    return true;
  }

  /** What a function says: bytes, text or any JSON value. */
  tell(value: unknown): void {
    if (this.speech === 'colyseus') {
      this.message('data', value);
      return;
    }
    const binary = value instanceof Uint8Array;
    const text = () => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
    this.plain(binary ? value : text(), !binary);
  }

  /** The open function has answered. */
  begun(): void {
    if (this.speech === 'baton.v1') this.say('open', { socketId: this.roomId, playerId: this.playerId });
  }

  /** An event of the service. */
  say(event: string, payload: object): void {
    if (this.speech === 'colyseus') this.message(event, payload);
    else if (this.speech === 'baton.v1') this.connection?.send(eventText(event, payload), TEXT);
  }

  protected override message(type: string, value: unknown): void {
    if (this.away) this.keepNews(frameOf(type, value));
    else super.message(type, value);
  }

  private frame(frame: Uint8Array): void {
    const { client, absence } = this;
    if (this.away) this.keepNews(frame);
    else if (absence) this.keep(frame);
    if (absence || !client) return;
    if (client.state === ClientState.JOINED) {
      client.raw(frame);
      return;
    }
    // Colyseus keeps it until the client has joined, and the frame's memory is only lent
    this.earlyBytes += frame.length;
    if (this.earlyBytes <= this.mapping.maxHeld) client.enqueueRaw(Uint8Array.from(frame));
    else this.end(CloseCode.heldOverflow, heldOverflow({ limit: this.mapping.maxHeld }));
  }

  /** For a client that is in a room. @param frame lent */
  private keepNews(frame: Uint8Array): void {
    this.newsBytes += frame.length;
    const full = this.newsBytes > this.mapping.maxHeld && this.news.length > 0;
    if (full) this.forgetNews(); // with them its client would be none the wiser: it is closed
    this.news.push(Uint8Array.from(frame));
    if (full) this.end(CloseCode.heldOverflow, heldOverflow({ limit: this.mapping.maxHeld }));
  }

  private forgetNews(): void {
    this.news = [];
    this.newsBytes = 0;
  }

  private plain(data: Uint8Array, text: boolean): void {
    if (!text) this.connection?.send(data, BINARY);
    else this.connection?.send(this.speech === 'baton.v1' ? marked(data) : data, TEXT);
  }

  private report({ code, message }: BatonError): void {
    this.say('error', { code, message });
  }

  end(closeCode: number, error: BatonError): void {
    this.report(error);
    this.close(closeCode, error.code);
  }

  dismiss(closeCode: number, reason: string, by: 'function' | 'deleted'): void {
    this.dismissed = by;
    this.close(closeCode, reason);
  }

  private close(closeCode: number, reason: string): void {
    if (this.away) SocketRoom.service.recall(this, closeCode, reason);
    this.dropHeld(); // the answer to the farewell has to be read
    this.dismissClient(closeCode, reason);
  }

  // --- the room of its link

  depart(): Connection {
    const { client, visit } = this;
    const { ref } = client!;
    const connection = ref as unknown as Connection;
    visit!.state = 'inside';
    this.seat = client!.sessionId;
    this.seatToken = client!.reconnectionToken;
    connection.off('close', connection.onleave!);
    connection.removeAllListeners('message');
    this.clients.delete(client! as never);
    matchMaker.stats.local.ccu--;
    return connection;
  }

  comeHome(client: RoomClient, { code, reason }: { code: number; reason: string }): void {
    const connection = client.ref as unknown as Connection;
    this.visit = undefined;
    client.state = ClientState.JOINED;
    client.auth = { playerId: this.playerId };
    client.reconnectionToken = this.seatToken;
    client._enqueuedMessages = undefined as never;
    this.clients.push(client);
    matchMaker.stats.local.ccu++;
    if (connection.readyState === ReadyState.CLOSED) {
      this.closing = true; // a client that was in a room does not come back to its socket
      void internals(this)._onLeave(client, code);
      return;
    }
    connection.onleave = (closeCode) => void internals(this)._onLeave(client, closeCode);
    connection.once('close', connection.onleave);
    connection.on('message', (frame: Buffer, isBinary: boolean) =>
      (internals(this)._onMessage as (...args: unknown[]) => void)(client, frame, isBinary),
    );
    this.goOn(client, code, reason);
  }

  stayHome(code: number, reason: string): void {
    this.visit = undefined;
    if (this.client) this.goOn(this.client, code, reason);
  }

  /** The socket speaks again, and its client hears what it has missed. */
  private goOn(client: RoomClient, code: number, reason: string): void {
    this.rate.restart(); // in the room it was not silent
    this.strays = true;
    client.raw(leftFrame(code, reason));
    for (const frame of this.news) client.raw(frame);
    this.forgetNews();
    if (!this.closing) SocketRoom.service.relinked(this); // it may have another room by now
  }

  /** The connection of its client, which is in a room on another host, is lost. */
  lost(code: number): void {
    SocketRoom.service.orphaned(this, code);
  }

  override disconnect(closeCode?: number): Promise<unknown> {
    if (this.away) SocketRoom.service.recall(this, closeCode ?? CONSENTED, '');
    return super.disconnect(closeCode);
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
    if (truth.version <= this.known) return;
    lanesChanged();
    const wasLinked = this.peers.length > 0;
    const change = news(this, truth, this.mapping.onPeerLeave);
    this.known = truth.version;
    this.link = truth.link;
    this.wait = truth.wait;
    this.alias = truth.alias ?? this.alias;
    this.peers = change.peers;
    this.bereft = change.bereft;
    this.status = change.status;
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
