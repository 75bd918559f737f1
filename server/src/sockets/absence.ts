// A socket whose client has lost its connection and may come back: what it is to hear meanwhile, in order. It moves with
// the socket's room.
import { CloseCode } from '@colyseus/core';
import { registerMovable } from '../migration/index.ts';

/** Bytes kept for a client that is away; past it those who send to it are not read … */
const MAX_KEPT_BYTES = 64 * 1024;
/** … and what comes all the same may be so much; more closes it. */
const MAX_EXCESS_BYTES = 1024 * 1024;

export class Absence {
  /** By which its client comes back. It stays the same: a client may never have heard of another one. */
  readonly token: string;
  private frames: Uint8Array[] = [];
  private bytes = 0;
  private excess = 0;

  constructor(token: string) {
    this.token = token;
  }

  /** As much waits as should. */
  get full(): boolean {
    return this.bytes >= MAX_KEPT_BYTES;
  }

  /** @param frame lent @returns false when it is too much */
  keep(frame: Uint8Array): boolean {
    if (this.full && (this.excess += frame.length) > MAX_EXCESS_BYTES) return false;
    this.bytes += frame.length;
    this.frames.push(Uint8Array.from(frame));
    return true;
  }

  take(): Uint8Array[] {
    this.bytes = 0;
    this.excess = 0;
    return this.frames.splice(0);
  }
}

/** Whether a connection has ended without anybody saying so: it was cut, or answers no pings (RFC 6455 §7.1.5). */
export const wasCut = (code: number | undefined): boolean => code === CloseCode.ABNORMAL_CLOSURE;

registerMovable(Absence);
