// The part of Handoff that others speak to, and what stands in where descriptors cannot be handed over.
import { handoffUnsupported } from '../errors.ts';
import type { PeerHandler } from './callee.ts';
import type { CallOptions } from './handoff.ts';

/** Calls to and from the other hosts of this machine; see `Handoff`. */
export interface Peers {
  /** Where others reach this host. */
  readonly path: string;
  handle(method: string, fn: PeerHandler): void;
  call<T>(peerPath: string, method: string, payload: unknown, options?: CallOptions): Promise<T>;
  onPeerGone(fn: (peerPath: string) => void): () => void;
  close(): Promise<void>;
}

/** For platforms without handoff: a host runs alone and its rooms stay. @param reason from `Handoff.supported()` */
export function noPeers(path: string, reason: string): Peers {
  return {
    path,
    handle() {},
    call: () => Promise.reject(handoffUnsupported({ platform: process.platform, reason })),
    onPeerGone: () => () => {},
    close: () => Promise.resolve(),
  };
}
