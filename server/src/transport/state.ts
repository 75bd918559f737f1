// What a connection is between any two bytes, and how that is written down for a move. The rest of it, see connection.ts,
// is of its process.

import { EventEmitter } from 'node:events';
import { type FrameReader, WireCode } from './codec/index.ts';
import type { Output } from './output.ts';
import type { ConnectionRecord } from './record.ts';

/** WebSocket.readyState; a connection begins open, because it begins after its handshake. */
export const ReadyState = { OPEN: 1, CLOSING: 2, CLOSED: 3 } as const;

export const EMPTY = Buffer.alloc(0);

export abstract class ConnectionState extends EventEmitter {
  readyState: number = ReadyState.OPEN;
  /** The sub-protocol that was agreed on; empty when none. */
  protocol = '';
  remoteAddress: string | undefined;
  /** Id of the room to which it goes back when the one that it was lent to is done with it. */
  home: string | undefined;
  /** How long the peer was not read although it may have spoken, in milliseconds; whoever counts that sets it back. */
  unreadMs = 0;
  /** Pings sent since the last pong. */
  pingCount = 0;
  /** Bytes taken from the kernel since the upgrade. */
  bytesIn = 0;

  protected abstract readonly reader: FrameReader;
  protected abstract output: Output | undefined;

  /** Since when it is not read, Date.now() ms; 0 while it is. */
  protected unreadFrom = 0;
  /** Bytes taken from the kernel that the reader has not seen. */
  protected input: Buffer = EMPTY;
  /** Bytes the room keeps for a client that has not said yet that it joined. */
  protected kept = 0;

  protected closeSent = false;
  protected closeReceived = false;
  protected ended = false;
  protected closeCode: number = WireCode.ABNORMAL;
  protected closeReason: Buffer = EMPTY;
  /** Milliseconds left for the closing handshake when held, else the time (performance.now) it ends at. */
  protected closeLimit: number | undefined;

  protected save(): ConnectionRecord {
    const record: ConnectionRecord = {
      v: 1,
      readyState: this.readyState,
      reader: this.reader.save(),
      input: new Uint8Array(this.input),
      output: this.output!.unsent(),
      bytesIn: this.bytesIn,
      bytesOut: this.output!.accepted,
      close: {
        sent: this.closeSent,
        received: this.closeReceived,
        ended: this.ended,
        code: this.closeCode,
        reason: new Uint8Array(this.closeReason),
        leftMs: this.closeLimit,
      },
      pingCount: this.pingCount,
      kept: this.kept,
      unreadFrom: this.unreadFrom && this.unreadFrom - this.unreadMs,
      remoteAddress: this.remoteAddress,
      protocol: this.protocol,
      home: this.home,
    };
    return record;
  }

  /** All but what waits for the kernel: there is no `output` yet. */
  protected restore(record: ConnectionRecord): void {
    const { close } = record;
    this.reader.restore(record.reader);
    this.readyState = record.readyState;
    this.input = Buffer.from(record.input);
    this.bytesIn = record.bytesIn;
    this.closeSent = close.sent;
    this.closeReceived = close.received;
    this.ended = close.ended;
    this.closeCode = close.code;
    this.closeReason = Buffer.from(close.reason);
    this.closeLimit = close.leftMs;
    this.pingCount = record.pingCount;
    this.kept = record.kept;
    this.unreadFrom = record.unreadFrom;
    this.remoteAddress = record.remoteAddress;
    this.protocol = record.protocol;
    this.home = record.home;
  }
}
