// What lets a client go on with its socket on another connection, and lose nothing: both sides count the messages they
// hear, say now and then how many these were, and keep what the other one has not confirmed. It moves with the socket's
// room. As in XEP-0198, counts are of messages as they follow each other; what only serves the counting is not counted.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { registerMovable } from '../migration/index.ts';

/** Bytes kept until the client confirms them; past it those who send to it are not read … */
const MAX_UNCONFIRMED_BYTES = 256 * 1024;
/** … and what comes all the same may be so much; more closes it. */
const MAX_MORE_BYTES = 1024 * 1024;
/** A message that is kept counts as so many bytes more. */
export const MESSAGE_OVERHEAD = 64;
/** The client is told what was heard of it after so many messages, or bytes, … */
const CONFIRM_MESSAGES = 32;
const CONFIRM_BYTES = 16 * 1024;
/** … and at least so long after the first of them. */
export const CONFIRM_MS = 500;
/** A client whose buffer is full and who confirms nothing for so long is closed. */
const STALLED_MS = 15_000;

export interface Kept {
  data: Uint8Array;
  text: boolean;
}

export class Resume {
  /** Only its client knows it: whoever has it, and the socket's id, is its client. */
  readonly secret = randomBytes(24).toString('base64url');
  /** The client has shown that it knows the secret: it is waited for as long as the mapping says. */
  known = false;
  /** Messages of the client that were heard. */
  heard = 0;
  /** Those of which it was told. */
  private told = 0;
  private untoldBytes = 0;
  /** Messages for the client: those it has confirmed, those that are written to its connection, all. */
  private confirmed = 0;
  private written = 0;
  private kept: Kept[] = [];
  private bytes = 0;
  private excess = 0;
  /** Since when the buffer is full and the client confirms nothing, Date.now() ms. */
  private stalledAt = 0;

  /** In constant time. */
  matches(secret: string): boolean {
    return timingSafeEqual(digest(secret), digest(this.secret));
  }

  /** As much waits for the client's word as should. */
  get full(): boolean {
    return this.bytes >= MAX_UNCONFIRMED_BYTES;
  }

  /** Something was heard of which the client does not know yet. */
  get owes(): boolean {
    return this.heard > this.told;
  }

  /** A message of the client. @returns whether it should be told now how much was heard */
  hear(bytes: number): boolean {
    this.heard++;
    this.untoldBytes += bytes;
    return this.heard - this.told >= CONFIRM_MESSAGES || this.untoldBytes >= CONFIRM_BYTES;
  }

  /** The client is told. @returns how much was heard of it */
  tell(): number {
    this.told = this.heard;
    this.untoldBytes = 0;
    return this.heard;
  }

  /**
   * A message for the client.
   * @param data lent
   * @param written whether it goes out at once
   * @returns false when it is too much
   */
  keep(data: Uint8Array, text: boolean, written: boolean): boolean {
    const bytes = data.length + MESSAGE_OVERHEAD;
    if (this.full && (this.excess += bytes) > MAX_MORE_BYTES) return false;
    this.bytes += bytes;
    this.kept.push({ data: new Uint8Array(data), text });
    if (written) this.written = this.total;
    return true;
  }

  /** How many the client confirms by this count; less than none when it cannot have heard so many, or once said more. */
  confirms(count: number): number {
    return count > this.written ? -1 : count - this.confirmed;
  }

  /** The client has heard so many messages. @returns whether that can be */
  confirm(count: number): boolean {
    if (this.confirms(count) < 0) return false;
    const gone = this.kept.splice(0, count - this.confirmed);
    for (const { data } of gone) this.bytes -= data.length + MESSAGE_OVERHEAD;
    this.confirmed = count;
    if (gone.length > 0) this.stalledAt = 0;
    if (!this.full) this.excess = 0;
    return true;
  }

  /** The connection is another one: what the client has not heard is to be written again. */
  rewind(): void {
    this.written = this.confirmed;
  }

  /** What is not written yet; it is from now on. */
  unwritten(): Kept[] {
    const from = this.written - this.confirmed;
    this.written = this.total;
    return from === 0 ? this.kept : this.kept.slice(from);
  }

  /** What is not written yet will not be: its client is closed over it. */
  forgetUnwritten(): void {
    for (const { data } of this.kept.splice(this.written - this.confirmed))
      this.bytes -= data.length + MESSAGE_OVERHEAD;
  }

  /** To be asked now and then. @returns whether a client that is there has confirmed nothing for too long */
  stalled(now: number): boolean {
    if (!this.full) this.stalledAt = 0;
    else if (this.stalledAt === 0) this.stalledAt = now;
    return this.stalledAt > 0 && now - this.stalledAt > STALLED_MS;
  }

  /** A client that is away cannot confirm. */
  unstall(): void {
    this.stalledAt = 0;
  }

  private get total(): number {
    return this.confirmed + this.kept.length;
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

registerMovable(Resume);
