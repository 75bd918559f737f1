import { inform, type LinkedRoom, type Truth } from '../../sockets/links/index.ts';

/** What follows when it stands otherwise with a socket's link. */
export interface Follow {
  changed(socket: VirtualSocket, change: 'linked' | 'unlinked', peers: string[]): void;
  /** It does not get the link that it wanted. */
  refused(error: { code: string }): void;
  /** How long it waits may have changed. */
  relinked(socket: VirtualSocket): void;
}

/** A socket of a service in virtual time. */
export class VirtualSocket implements LinkedRoom {
  readonly roomId: string;
  readonly tenant: string;
  readonly playerId: string;
  readonly openedAt = Date.now();
  attributes: Record<string, unknown>;
  status: 'opening' | 'open' | 'waiting' | 'linked' = 'opening';
  alias: string | undefined;
  known = 0;
  link: Truth['link'];
  wait: Truth['wait'];
  peers: string[] = [];
  bereft = false;
  gone = false;
  /** Calls that were made for it. */
  calls = 0;
  /** They are made one after the other. */
  line: Promise<void> = Promise.resolve();
  readonly #follow: Follow;

  constructor(
    roomId: string,
    { tenant, playerId, attributes }: Pick<VirtualSocket, 'tenant' | 'playerId' | 'attributes'>,
    follow: Follow,
  ) {
    this.roomId = roomId;
    this.tenant = tenant;
    this.playerId = playerId;
    this.attributes = { ...attributes };
    this.#follow = follow;
  }

  get settled(): boolean {
    return this.known > 0;
  }

  learn(truth: Truth): void {
    // a mapping's default of `onPeerLeave`
    const change = inform(this, truth, 'keep');
    if (!change) return;
    if (change.left.length > 0) this.#follow.changed(this, 'unlinked', change.left);
    if (change.linked) this.#follow.changed(this, 'linked', change.linked);
    if (truth.failed) this.#follow.refused(truth.failed);
    this.#follow.relinked(this);
  }

  refused(error: { code: string }): void {
    this.#follow.refused(error);
  }

  /** Over what it keeps; null takes one away. */
  keep(attributes: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(attributes))
      if (value === null) delete this.attributes[name];
      else this.attributes[name] = value;
  }
}
