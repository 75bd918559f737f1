// The Colyseus transport whose connections can leave the process: HTTP and upgrades on a listening socket that
// processes share, WebSockets on a codec whose state is a record. It knows rooms only as a client's destination.

export { BatonClient, PlainClient } from './client.ts';
export { settleAddress } from './client-address.ts';
export type { Speaker } from './closing.ts';
export { WireCode } from './codec/index.ts';
export { Connection, type Shortcut } from './connection.ts';
export type { SlowReaderPolicy } from './endpoint.ts';
export type { Route } from './entrance.ts';
export type { BatonTransportOptions, ClientInfo, Verdict, VerifyClient } from './options.ts';
export type { ConnectionRecord, UpgradeRecord } from './record.ts';
export { ReadyState } from './state.ts';
export { BatonTransport } from './transport.ts';
export type { Arrival, PendingUpgrade } from './upgrade.ts';
export type { Lender, Visits } from './visits.ts';
