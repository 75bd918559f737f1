// An upgrade whose handshake and origin were found good, as whoever takes it sees it.

import type { Request } from './admission.ts';
import { PlainClient } from './client.ts';
import type { Connection } from './connection.ts';
import type { HeaderRecord } from './handshake.ts';
import type { UpgradeRecord } from './record.ts';
import type { Target } from './target.ts';
import type { Arrival, Upgrade } from './upgrade.ts';

/** Completes the handshake of an upgrade; undefined when it was answered already. The connection is held. */
export type Complete = (upgrade: Upgrade, request: Request, protocol: string) => Connection | undefined;

export class ArrivedUpgrade implements Arrival {
  readonly roomId = '';
  private readonly upgrade: Upgrade;
  private readonly request: Request;
  private readonly complete: Complete;

  constructor(upgrade: Upgrade, request: Request, complete: Complete) {
    this.upgrade = upgrade;
    this.request = request;
    this.complete = complete;
  }

  get url(): string {
    return this.upgrade.url;
  }
  get hops(): number {
    return this.upgrade.hops;
  }
  get address(): Target {
    return this.request.url;
  }
  get headers(): HeaderRecord {
    return this.request.headers;
  }
  get protocols(): ReadonlySet<string> {
    return this.request.handshake.protocols;
  }
  get remoteAddress(): string | undefined {
    return this.upgrade.record.remoteAddress;
  }

  detach(): { fd: number; record: UpgradeRecord } {
    return this.upgrade.detach();
  }

  undo(): void {
    this.upgrade.undo();
  }

  done(): void {
    this.upgrade.done();
  }

  reject(status: number, reason: string): void {
    this.upgrade.reject(status, reason);
  }

  accept(sessionId: string, protocol: string, held = false): PlainClient | undefined {
    const connection = this.complete(this.upgrade, this.request, protocol);
    if (!connection) return undefined;
    if (!held) process.nextTick(() => connection.resume());
    return new PlainClient(sessionId, connection);
  }
}
