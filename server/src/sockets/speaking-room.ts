// What the client of a socket hears, in whichever way it speaks: data of peers and functions, and events of the service.
// A client of baton.resume.v1 gets all of it once, also when its connection is another one in between.
import { type AuthContext, ClientState } from '@colyseus/core';
import { internals } from '../colyseus/room-internals.ts';
import { type BatonError, heldOverflow, messageTooLarge, resumeFailed } from '../errors.ts';
import type { Mapping } from '../mappings/index.ts';
import { type PlainClient, ReadyState, type Speaker, WireCode } from '../transport/index.ts';
import { within } from '../within.ts';
import { CloseCode } from './close-codes.ts';
import type { Kept, Resume } from './resume.ts';
import { SeatRoom } from './seat-room.ts';
import type { Answer, HostedSocket, SocketService } from './service.ts';
import { eventText, Form, fromColyseus, hearsEvents, marked, type Speech, toColyseus } from './speech.ts';

/** How long the end of a connection may take whose client has come back on another one. */
const LET_GO_MS = 2_000;
/**
 * A client that has said nothing since it was told that its socket is open may never have heard that, and is waited for so
 * long only. What it has said may be lost with its connection: a reset drops what was not read, as while the socket moves.
 */
const UNHEARD_MS = 5_000;
const TEXT = { binary: false };
const BINARY = { binary: true };

export abstract class SpeakingRoom extends SeatRoom implements Speaker {
  /** Set once per process, before any socket opens. */
  static service: SocketService;

  /** The mapping the socket was opened with, in the version of that time or one it has adopted. */
  mapping!: Mapping;
  playerId = '';
  speech: Speech = 'colyseus';
  /** Of a client of baton.resume.v1: by which it goes on with another connection. */
  resume: Resume | undefined;
  /** Bytes for a client that has not confirmed its join yet. */
  earlyBytes = 0;

  abstract readonly away: boolean;

  protected abstract close(closeCode: number, reason: string): void;
  /** Its client's connection is to end, wherever it is. */
  protected abstract letGo(): void;
  /** Its client is back on another connection. @returns the room to which it may go back, too */
  protected abstract resumeVisit(): string | undefined;
  /** It has heard what was kept for it. */
  protected abstract resumed(): void;

  // --- data and events

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

  /** The answer to a request of a client of baton.resume.v1: what follows the event is what a function said. */
  answer(request: number, answer: Answer): void {
    if ('error' in answer) {
      const { code, message } = answer.error;
      this.say('reply', { to: request, error: { code, message } });
      return;
    }
    const { value } = answer;
    this.say('reply', value === undefined ? { to: request, empty: true } : { to: request });
    if (value !== undefined) this.tell(value);
  }

  /** The open function has answered. */
  begun(): void {
    if (!hearsEvents(this.speech)) return;
    const { roomId: socketId, playerId, resume, mapping } = this;
    const { forward, reconnectTimeout } = mapping;
    const more = resume && { secret: resume.secret, resumeMs: reconnectTimeout, forward };
    const event = { socketId, playerId, ...more };
    this.connection?.send(eventText('open', event), TEXT);
  }

  /** An event of the service. */
  say(event: string, payload: object): void {
    if (this.speech === 'colyseus') this.message(event, payload);
    else if (hearsEvents(this.speech)) this.write(eventText(event, payload), true);
  }

  /** One that only those hear who are told all of it. */
  inform(event: string, payload: object): void {
    if (this.resume) this.say(event, payload);
  }

  end(closeCode: number, error: BatonError): void {
    this.report(error);
    this.close(closeCode, error.code);
  }

  tooLarge(limit: number): void {
    this.end(WireCode.TOO_BIG, messageTooLarge({ limit }));
  }

  protected report({ code, message }: BatonError): void {
    this.say('error', { code, message });
  }

  private frame(frame: Uint8Array): void {
    const { client, absence } = this;
    if (absence) this.keep(frame);
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

  private plain(data: Uint8Array, text: boolean): void {
    this.write(text && hearsEvents(this.speech) ? marked(data) : data, text);
  }

  /** @param data as it goes over the wire; lent */
  private write(data: Uint8Array, text: boolean): void {
    if (!this.resume || this.closing || this.keepOne(this.resume, data, text))
      this.connection?.send(data, text ? TEXT : BINARY);
  }

  // --- once, and on whichever connection: see resume.ts

  /** @returns whether it is to be written now */
  private keepOne(resume: Resume, data: Uint8Array, text: boolean): boolean {
    const there = this.absence === undefined && this.connection !== undefined;
    const kept = resume.keep(data, text, there);
    if (resume.full) SpeakingRoom.service.confirmLater(this as unknown as HostedSocket);
    if (!kept || (this.away && resume.full)) this.overflown();
    return there && kept;
  }

  /** Nothing of what it should have heard would be any use to a client that does not hear all. */
  protected overflown(): void {
    this.resume?.forgetUnwritten();
    this.close(CloseCode.heldOverflow, 'BATON_HELD_OVERFLOW');
  }

  override get crowded(): boolean {
    return this.resume?.full || super.crowded;
  }

  protected patience(): number {
    const { reconnectTimeout } = this.mapping;
    if (this.speech === 'colyseus' || this.resume?.known) return reconnectTimeout;
    return this.resume ? Math.min(reconnectTimeout, UNHEARD_MS) : 0;
  }

  protected override wasCut(code: number | undefined): boolean {
    return super.wasCut(code) || (this.resume !== undefined && code === CloseCode.resuming);
  }

  /** The client has heard so much. @param ask it wants to be told the same */
  protected confirmed(count: number, ask: boolean): void {
    const resume = this.resume!;
    const { full } = resume;
    resume.confirm(count);
    resume.known = true;
    if (ask) this.confirm(resume);
    if (full && !resume.full) SpeakingRoom.service.eased(this as unknown as HostedSocket);
  }

  /** Tells the client how much was heard of it. */
  protected confirm(resume: Resume): void {
    this.connection?.send(eventText('ack', { count: resume.tell() }), TEXT);
  }

  /** To be called now and then while it is said to matter. @returns whether it still does */
  beat(now: number): boolean {
    const { resume } = this;
    if (!resume || this.closing) return false;
    if (this.absence || this.away) {
      resume.unstall();
      return false;
    }
    if (resume.owes) this.confirm(resume);
    if (!resume.stalled(now)) return resume.full;
    this.overflown();
    return false;
  }

  /**
   * Its client has come back on another connection: the one that it has, if it has one, is over.
   * @param received so many messages it has heard
   * @throws BATON_RESUME_FAILED
   */
  async takeBack(client: PlainClient, context: AuthContext, received: number): Promise<void> {
    const { resume } = this;
    if (!resume || this.closing) throw resumeFailed({ reason: 'the socket is closed' });
    const known = () => {
      if (resume.confirms(received) < 0) throw resumeFailed({ reason: `${received} messages were not sent` });
    };
    known();
    resume.known = true;
    if (this.patience() === 0) throw resumeFailed({ reason: 'its mapping waits for nobody' });
    if (!this.absence) {
      this.letGo();
      await within(LET_GO_MS, this.untilAbsent());
    }
    const { absence } = this;
    if (this.closing) throw resumeFailed({ reason: 'the socket is closed' });
    if (!absence) {
      client.ref.terminate(); // it may try again
      return;
    }
    known(); // more may have been confirmed on the old connection
    resume.confirm(received);
    if (client.readyState !== ReadyState.OPEN) return; // from here on nothing is read before it has joined
    client.sessionId = client.id = this.sessionOf(absence.token) ?? '';
    await internals(this)._onJoin(client, context, { reconnectionToken: absence.token });
    client.state = ClientState.JOINED;
    client._enqueuedMessages = undefined;
    if (client.readyState !== ReadyState.OPEN) return; // it is away again
    this.absence = undefined;
    const { mapping } = this;
    const event = { received: resume.tell(), forward: mapping.forward, room: this.resumeVisit() };
    client.ref.send(eventText('resumed', event), TEXT);
    resume.rewind();
    this.writeOn(resume.unwritten());
    this.resumed();
  }

  /** What was kept, to its client. */
  protected writeOn(kept: Kept[]): void {
    const { connection } = this;
    for (const { data, text } of kept) connection?.send(data, text ? TEXT : BINARY);
  }
}
