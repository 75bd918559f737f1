// The room behind a hosted socket. Everything it keeps is plain, so it moves like any other room.
import { type AuthContext, type Client, ClientState, Room } from '@colyseus/core';
import { internals, type RoomClient } from '../colyseus/room-internals.ts';
import {
  type BatonError,
  heldOverflow,
  messageReserved,
  notLinked,
  tokenInvalid,
  tooManyMessages,
} from '../errors.ts';
import { asServerError, CloseCode, tokenRefused } from './close-codes.ts';
import { isData, reservedType } from './frames.ts';
import type { HostedSocket, SocketService, Standing } from './service.ts';

/** Bytes held back while peers are on their way to one host; beyond it the socket is closed. One message may exceed it. */
const MAX_HELD_BYTES = 64 * 1024;
const RATE_WINDOW_MS = 1_000;

export class SocketRoom extends Room implements HostedSocket {
  /** Set once per process, before any socket opens. */
  static service: SocketService;

  override maxClients = 1;
  override patchRate = null;
  /** Name of the mapping the socket was opened with. */
  mapping = '';
  playerId = '';
  status: HostedSocket['status'] = 'opening';
  peer: string | undefined;
  wanted: string | undefined;
  waitUntil = 0;
  attributes: Record<string, unknown> | undefined;
  calls = 0;
  /** Frames not yet passed on, in order. */
  held: Uint8Array[] = [];
  heldBytes = 0;
  /** Bytes for a client that has not confirmed its join yet. */
  earlyBytes = 0;
  closing = false;
  /** The client was told that it speaks to nobody. */
  warned = false;
  rateFrom = 0;
  rateCount = 0;

  static override async onAuth(
    token: string,
    options: { token?: unknown },
    _context: AuthContext,
  ): Promise<unknown> {
    const given = options?.token;
    try {
      if (given !== undefined && typeof given !== 'string') throw tokenInvalid({ reason: 'it is not text' });
      return { playerId: SocketRoom.service.playerOf(given ?? token) };
    } catch (error) {
      throw tokenRefused(error);
    }
  }

  override onCreate(options: { mapping: string }): void {
    this.mapping = options.mapping;
  }

  override async onJoin(client: Client, options: unknown): Promise<void> {
    this.playerId = (client.auth as { playerId: string }).playerId;
    try {
      await SocketRoom.service.opened(this, options);
    } catch (error) {
      throw asServerError(error, CloseCode.openFailed);
    }
  }

  override async onLeave(_client: Client, code?: number): Promise<void> {
    this.closing = true;
    await SocketRoom.service.closed(this, code);
  }

  override onMigrated({ from }: { from: string }): void {
    SocketRoom.service.arrived(this, from);
  }

  get gone(): boolean {
    const client = this.clients[0] as (Client & { state: ClientState }) | undefined;
    return this.closing || client === undefined || client.state === ClientState.LEAVING;
  }

  get holding(): boolean {
    return this.held.length > 0;
  }

  /** The other socket of this process, when the link is complete here. */
  private get localPeer(): HostedSocket | undefined {
    if (this.peer === undefined) return undefined;
    const peer = SocketRoom.service.local(this.peer);
    return peer?.peer === this.roomId ? peer : undefined;
  }

  /** Every frame of the client. Data goes on to the peer as it came; everything else stays Colyseus' business. */
  protected take(client: Client, frame: Uint8Array): boolean {
    if ((client as RoomClient).state === ClientState.LEAVING) return true;
    if (!this.withinRate()) return true;
    if (!isData(frame)) return false;
    const type = reservedType(frame);
    if (type === undefined) this.relay(frame);
    else this.say(messageReserved({ type }));
    return true;
  }

  private relay(frame: Uint8Array): void {
    const peer = this.localPeer;
    if (peer) {
      if (this.held.length > 0) this.flush();
      peer.deliver(frame);
      return;
    }
    if (this.status === 'open') {
      if (!this.warned) this.say(notLinked());
      this.warned = true;
      return;
    }
    this.heldBytes += frame.length;
    if (this.heldBytes > MAX_HELD_BYTES && this.held.length > 0) {
      this.end(CloseCode.heldOverflow, heldOverflow({ limit: MAX_HELD_BYTES }));
      return;
    }
    this.held.push(Uint8Array.from(frame));
    if (this.peer !== undefined) SocketRoom.service.gather(this);
  }

  private withinRate(): boolean {
    const now = Date.now();
    if (now - this.rateFrom >= RATE_WINDOW_MS) {
      this.rateFrom = now;
      this.rateCount = 0;
    }
    const { maxMessagesPerSecond: limit } = SocketRoom.service.mapping(this.mapping);
    if (++this.rateCount <= limit) return true;
    if (this.rateCount === limit + 1) this.end(CloseCode.tooManyMessages, tooManyMessages({ limit }));
    return false;
  }

  deliver(frame: Uint8Array): void {
    const client = this.clients[0];
    if (!client) return;
    if ((client as RoomClient).state === ClientState.JOINED) {
      client.raw(frame);
      return;
    }
    // Colyseus keeps it until the client has joined, and the frame's memory is only lent
    this.earlyBytes += frame.length;
    if (this.earlyBytes <= MAX_HELD_BYTES) client.enqueueRaw(Uint8Array.from(frame));
    else this.end(CloseCode.heldOverflow, heldOverflow({ limit: MAX_HELD_BYTES }));
  }

  flush(): void {
    const peer = this.localPeer;
    if (!peer) return;
    for (const frame of this.held.splice(0)) peer.deliver(frame);
    this.heldBytes = 0;
  }

  answered(wanted: string | undefined): void {
    this.wanted = wanted;
    this.status = wanted === undefined ? 'open' : 'waiting';
  }

  private say({ code, message }: BatonError): void {
    this.clients[0]?.send('error', { code, message });
  }

  private end(closeCode: number, error: BatonError): void {
    this.say(error);
    this.clients[0]?.leave(closeCode, error.code);
  }

  // --- called by the service of whichever host decided, through remoteRoomCall()

  standing(towards: string): Standing {
    if (this.status === 'opening') return this.closing ? 'closed' : 'opening'; // its client may be yet to connect
    if (this.gone) return 'closed';
    if (this.peer !== undefined) return this.peer === towards ? 'linked' : 'taken';
    return this.wanted === undefined || this.wanted === towards ? 'free' : 'taken';
  }

  linkedWith(peer: string): 'linked' | 'taken' | 'closed' {
    const standing = this.standing(peer);
    if (standing === 'closed' || standing === 'linked') return standing;
    if (standing !== 'free') return 'taken';
    this.peer = peer;
    this.wanted = undefined;
    this.waitUntil = 0;
    this.status = 'linked';
    this.clients[0]?.send('linked', { peers: [peer] });
    SocketRoom.service.gather(this);
    return 'linked';
  }

  peerLeft(peer: string): void {
    if (this.peer !== peer) return;
    this.peer = undefined;
    this.held = [];
    this.heldBytes = 0;
    this.warned = false;
    const { onPeerLeave } = SocketRoom.service.mapping(this.mapping);
    this.status = onPeerLeave === 'wait' ? 'waiting' : 'open';
    this.clients[0]?.send('peer-left', { peer });
    if (onPeerLeave === 'close') this.clients[0]?.leave(CloseCode.peerLeft, 'the peer has left');
  }

  /** The link that was asked for will not come; the socket stays open and may be linked with another one. */
  refused(peer: string, code: string, message: string): void {
    if (this.wanted !== peer || this.peer !== undefined) return;
    this.wanted = undefined;
    this.waitUntil = 0;
    this.status = 'open';
    this.held = [];
    this.heldBytes = 0;
    this.clients[0]?.send('error', { code, message });
  }
}

const stockOnMessage = internals(Room.prototype)._onMessage;
Object.defineProperty(SocketRoom.prototype, '_onMessage', {
  configurable: true,
  writable: true,
  value(
    this: SocketRoom & { take(client: Client, frame: Uint8Array): boolean },
    client: Client,
    frame: Buffer,
  ) {
    if (!this.take(client, frame)) stockOnMessage.call(this, client, frame);
  },
});
