// Puts the packets of one channel together to messages. Packets come from an authenticated peer but are checked as if
// they did not; descriptors of messages that are refused, given up or cut off are closed here.

import { type BatonError, handoffTooLarge } from '../errors.ts';
import type { Fd } from './native.ts';
import { closeAll } from './packets.ts';
import { HEADER_BYTES, type Header, malformed, type PacketType, TYPE } from './wire.ts';

export interface Message {
  type: PacketType;
  id: number;
  /** Memory of its own: values deserialised from it may keep views of it. */
  body: Buffer;
  fds: Fd[];
}

/** A message over the limit: the rest of it is read and thrown away. */
export interface Refusal {
  type: PacketType;
  id: number;
  refused: BatonError;
}

interface Partial {
  type: PacketType;
  /** Absent when the message is thrown away. */
  body?: Buffer;
  totalBytes: number;
  totalFds: number;
  gotBytes: number;
  gotFds: number;
  fds: Fd[];
}

const MAX_PARTIAL = 4096;

export class Inbox {
  readonly #limit: number;
  readonly #partial = new Map<number, Partial>();
  #reserved = 0;

  /** @param limit bytes of one message; all messages under way together may have twice that */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * @param fds the packet's; the inbox's from now on, also when this throws
   * @returns a message when this packet completes it
   * @throws handoffProtocol
   */
  take(header: Header, packet: Buffer, fds: Fd[]): Message | Refusal | undefined {
    try {
      if (header.type === TYPE.abort) return void this.#drop(header.id);
      const known = this.#partial.get(header.id);
      const partial = known ?? this.#begin(header);
      this.#check(partial, header);
      if (partial.body) {
        packet.copy(partial.body, header.offset, HEADER_BYTES);
        for (const fd of fds.splice(0)) partial.fds.push(fd);
      }
      partial.gotBytes += header.length;
      partial.gotFds += header.fds;
      const message = this.#complete(header.id, partial);
      if (partial.body || known) return message;
      return { type: header.type, id: header.id, refused: this.#tooLarge(header) };
    } finally {
      closeAll(fds.splice(0));
    }
  }

  /** The connection is gone: what came of incomplete messages goes, too. */
  clear(): void {
    for (const id of [...this.#partial.keys()]) this.#drop(id);
  }

  #tooLarge(header: Header): BatonError {
    return handoffTooLarge({ bytes: header.totalBytes, limit: this.#limit, delivered: false });
  }

  #begin(header: Header): Partial {
    if (this.#partial.size >= MAX_PARTIAL)
      throw malformed(`more than ${MAX_PARTIAL} messages at the same time`);
    const fits = header.totalBytes <= this.#limit && this.#reserved + header.totalBytes <= 2 * this.#limit;
    const partial: Partial = {
      type: header.type,
      body: fits ? Buffer.allocUnsafeSlow(header.totalBytes) : undefined,
      totalBytes: header.totalBytes,
      totalFds: header.totalFds,
      gotBytes: 0,
      gotFds: 0,
      fds: [],
    };
    if (fits) this.#reserved += header.totalBytes;
    this.#partial.set(header.id, partial);
    return partial;
  }

  #check(partial: Partial, header: Header): void {
    if (
      header.type !== partial.type ||
      header.totalBytes !== partial.totalBytes ||
      header.totalFds !== partial.totalFds
    ) {
      throw malformed(`message ${header.id} changes in the middle`);
    }
    if (header.offset !== partial.gotBytes) {
      throw malformed(`a chunk at ${header.offset} where ${partial.gotBytes} comes next`);
    }
    if (partial.gotFds + header.fds > partial.totalFds)
      throw malformed(`more than ${partial.totalFds} descriptors`);
  }

  #complete(id: number, partial: Partial): Message | undefined {
    if (partial.gotBytes < partial.totalBytes || partial.gotFds < partial.totalFds) return undefined;
    this.#partial.delete(id);
    if (!partial.body) return undefined;
    this.#reserved -= partial.totalBytes;
    return { type: partial.type, id, body: partial.body, fds: partial.fds };
  }

  #drop(id: number): void {
    const partial = this.#partial.get(id);
    if (!partial) return;
    this.#partial.delete(id);
    if (partial.body) this.#reserved -= partial.totalBytes;
    closeAll(partial.fds);
  }
}
