// How a connection ends: both sides say a close frame, the server ends the TCP connection (RFC 6455 §7.1), and a peer that
// takes too long over it is cut off.

import { messageTooLarge } from '../errors.ts';
import { closePayload, encodeFrame, isSendableCode, Opcode, WireCode } from './codec/index.ts';
import type { Endpoint } from './endpoint.ts';
import type { Inlet } from './inlet.ts';
import { ConnectionState, ReadyState } from './state.ts';

/** A peer that broke the protocol or reads too slowly has this long to take notice of its close frame. */
export const HURRIED_CLOSE_MS = 5_000;

/** Has a word of its own for the peer of a connection. */
export interface Speaker {
  /** The peer sends a message of more than `limit` bytes: closes the connection, unless it leaves that to it. */
  tooLarge(limit: number): void;
}

export abstract class Closing extends ConnectionState {
  /** Of the process only; does not move. */
  speaker: Speaker | undefined;
  protected abstract readonly endpoint: Endpoint;
  protected abstract inlet: Inlet | undefined;
  protected abstract held: boolean;
  protected closeTimer: NodeJS.Timeout | undefined;

  abstract terminate(): void;

  /** Begins the closing handshake (RFC 6455 §7.1.2). @throws TypeError for a code that may not be sent */
  close(code?: number, reason?: string | Uint8Array): void {
    if (code !== undefined && !isSendableCode(code)) throw new TypeError(`${code} is not a valid close code`);
    if (this.readyState === ReadyState.OPEN) this.sendClose(closePayload(code, reason));
  }

  /** RFC 6455 §5.5.1: answered with the same code; the server then closes the TCP connection (§7.1.1). */
  onClose(code: number, reason: Buffer): void {
    this.closeReceived = true;
    this.closeCode = code;
    this.closeReason = reason;
    if (!this.closeSent) this.sendClose(closePayload(code === WireCode.NO_CODE ? undefined : code, reason));
    this.finishClosing();
  }

  onViolation(code: number, reason: string): void {
    this.closeCode = code;
    if (!this.closeSent) this.closeOver(code, reason);
    const error = new Error(`Invalid WebSocket frame: ${reason}`);
    this.endpoint.onViolation(error);
    if (this.listenerCount('error') > 0) this.emit('error', error);
    this.finishClosing();
  }

  private closeOver(code: number, reason: string): void {
    if (code === WireCode.TOO_BIG) {
      const limit = this.endpoint.limits.maxPayload;
      this.speaker?.tooLarge(limit);
      if (this.home !== undefined) reason = messageTooLarge({ limit }).code; // in a room it is a socket's client still
    }
    if (this.readyState === ReadyState.OPEN) this.sendClose(closePayload(code, reason), HURRIED_CLOSE_MS);
    else if (this.closeSent) this.limitClosing(HURRIED_CLOSE_MS);
  }

  onSlowReader(): void {
    if (this.endpoint.slowReader === 'terminate' || this.closeSent) {
      this.terminate();
      return;
    }
    this.closeCode = WireCode.TRY_AGAIN_LATER;
    this.closeSent = true;
    this.readyState = ReadyState.CLOSING;
    this.output!.seal(encodeFrame(Opcode.CLOSE, closePayload(WireCode.TRY_AGAIN_LATER, 'reads too slowly')));
    this.limitClosing(HURRIED_CLOSE_MS);
  }

  protected sendClose(payload: Buffer, withinMs = this.endpoint.closeTimeoutMs): void {
    this.readyState = ReadyState.CLOSING;
    this.closeSent = true;
    this.output!.send(Opcode.CLOSE, payload);
    this.limitClosing(withinMs);
  }

  /** Both sides said what they had to say, and the kernel has it: ends our side, and waits for the peer's end. */
  protected finishClosing(): void {
    if (this.ended || this.held || !this.closeSent || !(this.closeReceived || this.reader.finished)) return;
    if (this.output!.pending > 0 || !this.inlet) return;
    this.ended = true;
    this.inlet.end();
  }

  protected limitClosing(ms: number): void {
    ms = Math.min(ms, this.endpoint.closeTimeoutMs);
    this.closeLimit = this.held ? ms : performance.now() + ms;
    clearTimeout(this.closeTimer);
    if (!this.held) this.closeTimer = setTimeout(() => this.terminate(), ms).unref();
  }
}
