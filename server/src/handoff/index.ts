// Hands file descriptors and the state that belongs to them from one process of a machine to another.
// Knows nothing of rooms or WebSockets: it moves descriptors, plain values and answers between authenticated peers.

export type { PeerHandler, PeerInfo } from './callee.ts';
export { type CarriedConnection, type CarriedHandler, type Carrier, FdCarrier } from './carrier.ts';
export { type CallOptions, Handoff, type HandoffOptions } from './handoff.ts';
export { libc } from './libc.ts';
export { errnoName, type Fd, type Support, SystemError } from './native.ts';
export { noPeers, type Peers } from './peers.ts';
export type { Wait, Watch } from './waits.ts';
