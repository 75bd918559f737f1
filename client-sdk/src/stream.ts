// What makes the messages of a socket arrive once and in order, whatever becomes of its connections: both sides count what
// they hear and say so now and then; what was not confirmed is kept, and said again on the next connection. No network and
// no clock in here.
import { clientError } from './errors.ts';
import { sizeOf, type Wire } from './wire.ts';

/** The service is told what was heard of it after so many messages, or bytes. */
const CONFIRM_MESSAGES = 32;
const CONFIRM_BYTES = 16 * 1024;
/** A message that is kept counts as so many bytes more. */
const OVERHEAD = 64;

/** Messages that are sent together or not at all. */
export interface Entry {
  readonly parts: readonly Wire[];
}

export class Stream {
  /** Messages of the service that were heard. */
  heard = 0;
  /** Those of which it was told. */
  private told = 0;
  private untoldBytes = 0;
  /** So many of them the game has got, while there are others that it has not. */
  private given: number | undefined;
  /** So many of ours it has confirmed; those after them that were written; those that were not. */
  private confirmed = 0;
  private unconfirmed: Wire[] = [];
  private waiting: Entry[] = [];
  private bytes = 0;
  private readonly limit: number;
  private write: ((data: Wire) => void) | undefined;

  /** @param limit bytes that may wait for the service */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** Bytes that the service has not confirmed. */
  get bufferedAmount(): number {
    return this.bytes;
  }

  /** Whether what is sent goes out at once. */
  get flowing(): boolean {
    return this.write !== undefined;
  }

  /** @throws BATON_SEND_BUFFER_FULL */
  send(parts: readonly Wire[]): Entry {
    const bytes = parts.reduce((sum, part) => sum + weigh(part), 0);
    if (this.bytes > 0 && this.bytes + bytes > this.limit)
      throw clientError('BATON_SEND_BUFFER_FULL', { bytes: this.bytes });
    this.bytes += bytes;
    const entry = { parts };
    if (this.write) this.put(entry);
    else this.waiting.push(entry);
    return entry;
  }

  /** @returns false when it was written already */
  withdraw(entry: Entry): boolean {
    const at = this.waiting.indexOf(entry);
    if (at < 0) return false;
    this.waiting.splice(at, 1);
    for (const part of entry.parts) this.bytes -= weigh(part);
    return true;
  }

  /** What is sent goes out by `write`, first what has waited. */
  flow(write: (data: Wire) => void): void {
    this.write = write;
    for (const entry of this.waiting.splice(0)) this.put(entry);
  }

  /** From now on what is sent waits. */
  stop(): void {
    this.write = undefined;
  }

  /**
   * The connection is another one.
   * @param received so many messages the service has heard; the others are written again
   * @returns false when that cannot be: it is not the service of before
   */
  resume(write: (data: Wire) => void, received: number): boolean {
    if (!this.confirm(received)) return false;
    for (const data of this.unconfirmed) write(data);
    this.flow(write);
    return true;
  }

  /** The service has heard so many messages. @returns whether that can be */
  confirm(count: number): boolean {
    const more = count - this.confirmed;
    if (!(more >= 0 && more <= this.unconfirmed.length)) return false;
    for (const data of this.unconfirmed.splice(0, more)) this.bytes -= weigh(data);
    this.confirmed = count;
    return true;
  }

  /** A message of the service. */
  hear(data: Wire): void {
    this.heard++;
    this.untoldBytes += data.length;
  }

  /** The game has got so many messages, or all that were heard. What it has not is not confirmed: so it cannot pile up. */
  give(count: number | undefined): void {
    this.given = count;
  }

  /** The service should be told now. */
  get due(): boolean {
    const untold = this.confirmable - this.told;
    return untold >= CONFIRM_MESSAGES || (untold > 0 && this.untoldBytes >= CONFIRM_BYTES);
  }

  /** The service does not know yet of all that may be confirmed. */
  get owes(): boolean {
    return this.confirmable > this.told;
  }

  /** The service is told. @returns how much was heard of it, as far as that may be confirmed */
  tell(): number {
    this.told = this.confirmable;
    this.untoldBytes = 0;
    return this.told;
  }

  /** The same for another connection, on which nothing of it is to come again. */
  tellAll(): number {
    this.told = this.heard;
    return this.tell();
  }

  private get confirmable(): number {
    return Math.max(this.told, this.given ?? this.heard);
  }

  private put({ parts }: Entry): void {
    for (const part of parts) {
      this.unconfirmed.push(part);
      this.write!(part);
    }
  }
}

const weigh = (data: Wire): number => sizeOf(data) + OVERHEAD;
