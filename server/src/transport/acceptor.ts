// Accepts the connections of an HTTP server in its place. One that begins with a whole upgrade request needs nothing of
// Node's, which takes longer for it than all that follows; every other one is given to Node, with its bytes unread.

import type { Server } from 'node:http';
import { maxHeaderSize } from 'node:http';
import { libc, type Watch } from '../handoff/index.ts';
import { readUpgradeHead, type UpgradeHead } from './upgrade-head.ts';

/** An upgrade request that was read. The descriptor belongs to whoever gets this. */
export interface AcceptedUpgrade {
  fd: number;
  remoteAddress: string;
  head: UpgradeHead;
  /** What came behind the head. */
  rest: Uint8Array;
}

/** What of Node's server handles is used. */
interface TcpHandle {
  readonly fd: number;
  close(): void;
  open(fd: number): number;
  getsockname(out: object): number;
  /** Takes a connection as if it had just been accepted, with all that the server was set to. */
  onconnection(status: number, client: TcpHandle): void;
  constructor: { name: string; new (type: number): TcpHandle };
}

interface Silent {
  fd: number;
  remoteAddress: string;
  /** Looks that it has been through. */
  looks: number;
}

/** TCPConstants.SOCKET of Node: a connection, not a listening socket. */
const SOCKET = 0;
/** Connections accepted in one turn of the event loop; the others may be another host's. */
const MOST_AT_ONCE = 64;
/** Place of the listening socket in the epoll set; each connection that is waited for gets the next one. */
const LISTENING = 0;
const MOST_PLACES = 0xffff_ffff;
/** One that has said nothing for two of these looks is Node's, whose own time for the header begins then. */
const SILENCE_LOOK_MS = 250;
/** How long nothing is accepted when there are no descriptors left; meanwhile others may. */
const SCARCE_PAUSE_MS = 100;
/** accept(2): the connection is gone again, which says nothing of the next one. */
const GONE = new Set([libc.ECONNABORTED, libc.EPROTO, libc.ECONNRESET]);
const PEEK_BYTES = 64 * 1024;

/** Stands in the place of the server's handle. */
export class Acceptor {
  private readonly server: Server;
  private readonly node: TcpHandle;
  private readonly take: (upgrade: AcceptedUpgrade) => void;
  private readonly address = {};
  private readonly buffer = Buffer.allocUnsafeSlow(PEEK_BYTES);
  private readonly events = libc.epollEvents(MOST_AT_ONCE);
  /** Connections that have said nothing yet, by their place in the epoll set. */
  private readonly silent = new Map<number, Silent>();
  private readonly epoll: number;
  private readonly watch: Watch;
  private lastPlace = LISTENING;
  private fd: number;
  private looking: NodeJS.Timeout | undefined;
  private paused: NodeJS.Timeout | undefined;

  /**
   * Accepts for a server that listens on TCP, until that is closed. Others go on as they are.
   * @param take gets the upgrades; not asked when something else listens to the server's connections or upgrades
   * @throws SystemError when descriptors run out
   */
  static accept(server: Server, take: (upgrade: AcceptedUpgrade) => void): void {
    const owner = server as unknown as { _handle: object | null };
    const handle = owner._handle as TcpHandle | null;
    if (handle?.constructor.name !== 'TCP' || !(handle.fd >= 0)) return;
    owner._handle = new Acceptor(server, handle, take);
    handle.close();
  }

  private constructor(server: Server, node: TcpHandle, take: (upgrade: AcceptedUpgrade) => void) {
    this.server = server;
    this.node = node;
    this.take = take;
    node.getsockname(this.address);
    this.fd = libc.dup(node.fd);
    try {
      this.epoll = libc.epollCreate();
    } catch (error) {
      libc.close(this.fd);
      throw error;
    }
    libc.setNoDelay(this.fd);
    libc.epollAdd(this.epoll, this.fd, LISTENING);
    this.watch = libc.watchReadable(this.epoll, () => this.turn());
  }

  // --- what net.Server does with its handle

  /** Accepts no more. Connections that have said nothing yet become Node's. */
  close(): void {
    if (this.fd < 0) return;
    this.watch.cancel();
    clearTimeout(this.paused);
    libc.epollRemove(this.epoll, this.fd);
    libc.close(this.fd);
    this.fd = -1;
    for (const [place, { fd }] of this.silent) this.leaveToNode(fd, place);
    libc.close(this.epoll);
  }

  getsockname(out: object): number {
    Object.assign(out, this.address);
    return 0;
  }

  ref(): void {
    this.watch.ref();
  }

  unref(): void {
    this.watch.unref();
  }

  // --- accepting

  private turn(): void {
    const count = libc.epollWait(this.epoll, this.events);
    for (let i = 0; i < count && this.fd >= 0; i++) {
      const place = libc.epollData(this.events, i);
      if (place === LISTENING) this.acceptSome();
      else {
        const one = this.silent.get(place);
        if (one) this.look(one.fd, one.remoteAddress, place);
      }
    }
  }

  private acceptSome(): void {
    for (let n = 0; n < MOST_AT_ONCE && this.fd >= 0; n++) {
      const fd = libc.acceptTcp(this.fd);
      if (fd < 0) {
        if (GONE.has(-fd)) continue;
        if (fd !== -libc.EAGAIN) this.pause();
        return;
      }
      const remoteAddress = libc.acceptedFrom();
      if (remoteAddress === undefined || !this.alone) this.leaveToNode(fd);
      else this.look(fd, remoteAddress);
    }
  }

  /** Whether nobody but the transport wants to see connections and upgrades, or limits them. */
  private get alone(): boolean {
    const { server } = this;
    const { maxConnections, blockList } = server as Server & { blockList?: unknown };
    if ((maxConnections ?? undefined) !== undefined || blockList !== undefined) return false;
    return server.listenerCount('connection') === 1 && server.listenerCount('upgrade') === 1;
  }

  /** @param place where a connection that had said nothing is in the epoll set */
  private look(fd: number, remoteAddress: string, place?: number): void {
    const { buffer } = this;
    const length = libc.peek(fd, buffer);
    if (length === -libc.EAGAIN) {
      if (place === undefined) this.await(fd, remoteAddress);
      return;
    }
    const most = Math.min(
      PEEK_BYTES,
      (this.server as { maxHeaderSize?: number }).maxHeaderSize || maxHeaderSize,
    );
    const head = length > 0 && this.alone ? readUpgradeHead(buffer, length, most) : undefined;
    if (!head) {
      this.leaveToNode(fd, place);
      return;
    }
    if (place !== undefined) this.forget(fd, place);
    libc.recv(fd, buffer, 0, length); // the very bytes that were seen
    this.take({ fd, remoteAddress, head, rest: Uint8Array.from(buffer.subarray(head.length, length)) });
  }

  private await(fd: number, remoteAddress: string): void {
    const place = this.lastPlace < MOST_PLACES ? this.lastPlace + 1 : LISTENING + 1;
    this.lastPlace = place;
    try {
      libc.epollAdd(this.epoll, fd, place);
    } catch {
      this.leaveToNode(fd);
      return;
    }
    this.silent.set(place, { fd, remoteAddress, looks: 0 });
    this.looking ??= setInterval(() => this.leaveSilent(), SILENCE_LOOK_MS).unref();
  }

  private forget(fd: number, place: number): void {
    libc.epollRemove(this.epoll, fd);
    this.silent.delete(place);
    if (this.silent.size > 0) return;
    clearInterval(this.looking);
    this.looking = undefined;
  }

  private leaveSilent(): void {
    for (const [place, one] of this.silent) if (++one.looks >= 2) this.leaveToNode(one.fd, place);
  }

  private leaveToNode(fd: number, place?: number): void {
    if (place !== undefined) this.forget(fd, place);
    const { node } = this;
    const client = new node.constructor(SOCKET);
    if (client.open(fd) === 0) node.onconnection(0, client);
    else libc.close(fd);
  }

  /** What waits in the kernel would be reported again at once. */
  private pause(): void {
    libc.epollRemove(this.epoll, this.fd);
    this.paused = setTimeout(() => this.goOn(), SCARCE_PAUSE_MS);
  }

  private goOn(): void {
    try {
      libc.epollAdd(this.epoll, this.fd, LISTENING);
    } catch {
      this.paused = setTimeout(() => this.goOn(), SCARCE_PAUSE_MS);
    }
  }
}
