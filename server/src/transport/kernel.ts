// The few system calls a connection makes past Node: reads, exact writes, and a descriptor's copies.

import { libc } from '../handoff/index.ts';
import { type Cork, Poller } from './poller.ts';

export interface Kernel {
  /** @returns bytes accepted, or a negative errno */
  send(fd: number, buffer: Uint8Array, offset: number, length: number): number;
  /** Calls back once when `fd` takes bytes again or has failed. @throws SystemError when descriptors run out */
  waitWritable(fd: number, callback: () => void): { cancel(): void };
  dup(fd: number): number;
  close(fd: number): void;
  /** Ends our side of the stream (FIN). */
  endWriting(fd: number): void;
  readonly EAGAIN: number;
  readonly poller: Poller;
}

/** Undefined where libc cannot be called; connections then use their streams and cannot be detached. */
export function openKernel(outbox: Cork, coalesceMs: number): Kernel | undefined {
  return libc.supported().ok ? { ...libc, poller: new Poller(outbox, coalesceMs) } : undefined;
}

/** Why there is no kernel to call. */
export function whyNoKernel(): string {
  const support = libc.supported();
  return support.ok ? 'the stream fallback was asked for' : support.reason;
}
