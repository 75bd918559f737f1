// What both sides of a move work with; made once per host.
import { matchMaker, type Room } from '@colyseus/core';
import type { BatonError } from '../../errors.ts';
import type { Carrier, Peers } from '../../handoff/index.ts';
import type { HostRecord, Store } from '../../store/index.ts';
import type { Log } from '../../telemetry/index.ts';
import type { BatonTransport } from '../../transport/index.ts';
import type { Problem } from '../fields/index.ts';
import type { Gates } from '../room/shell.ts';
import type { Ownership } from './ownership.ts';

export interface MoveContext {
  /** This host's id. */
  readonly host: string;
  /** Of the code this host runs: hosts of equal generations run the same. */
  readonly generation: number;
  readonly store: Store;
  readonly handoff: Peers;
  /** Takes connections to another host. */
  readonly carrier: Carrier;
  readonly transport: BatonTransport;
  readonly gates: Gates;
  readonly ownership: Ownership;
  readonly log: Log;
  /** Live hosts, read from the store (cached for a moment). */
  hosts(): Promise<HostRecord[]>;
  draining(): boolean;
  immovable(roomId: string, problems: Problem[]): BatonError;
  /** Lists the room as soon as the store takes it. */
  republish(room: Room): void;
  /** Sends to the host that listens at `path`; never rejects. */
  tell(path: string, method: string, payload: unknown): Promise<void>;
}

/** Colyseus ends this process: it locks and disconnects every room it finds here, whoever runs it. */
export const shuttingDown = (): boolean => matchMaker.state === matchMaker.MatchMakerState.SHUTTING_DOWN;
