// A thin layer over libc through koffi. koffi is loaded at the first call, so that importing this file works on
// every platform; `supported()` says whether calling does. Constants and struct layouts are those of 64-bit
// little-endian Linux (x64, arm64), glibc and musl alike: musl pads msghdr and cmsghdr to the same layout.

import { createRequire } from 'node:module';
import { endianness, constants as os } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { handoffUnsupported } from '../errors.ts';

/** A descriptor number of this process. */
export type Fd = number;

/** Stops a wait; calling it again, or after the callback ran, does nothing. */
export interface Wait {
  cancel(): void;
}

/** A wait that may go silent for a while, and may let the process end, as timers and sockets of Node may. */
export interface Watch extends Wait {
  pause(): void;
  /** It reports what came meanwhile. */
  resume(): void;
  ref(): void;
  unref(): void;
}

/** Whether descriptors can be handed over here, and if not, why. */
export type Support = { ok: true } | { ok: false; reason: string };

/** Who is at the other end of a Unix socket, from SO_PEERCRED (unix(7)): as of connect() or listen(). */
export interface Credentials {
  pid: number;
  uid: number;
  gid: number;
}

interface PollHandle {
  start(events: PollEvents, callback: (status: number) => void): void;
  stop(): void;
  close(): void;
  ref(): void;
  unref(): void;
}
interface PollEvents {
  readable?: boolean;
  writable?: boolean;
}
interface Koffi {
  load(path: null): { func(definition: string): (...args: any[]) => any };
  errno(): number;
  address(buffer: Uint8Array): bigint;
  node: { poll(fd: Fd, events: PollEvents, callback: (status: number) => void): PollHandle };
}

const EAGAIN = os.errno.EAGAIN;
const EINTR = os.errno.EINTR;
const F_DUPFD_CLOEXEC = 1030;
const FIRST_DUP = 3;
const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
/** A packet socket that neither blocks nor survives exec. */
const SEQPACKET = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_PEERCRED = 17;
const MSG_PEEK = 2;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SHUT_WR = 1;
const SHUT_RDWR = 2;
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
/** sun_path of sockaddr_un holds 108 bytes, the last of them NUL. */
export const MAX_PATH = 107;

/** A libc call that failed: `code` is the errno's name (`ECONNREFUSED`), `errno` its positive number. */
export class SystemError extends Error {
  readonly syscall: string;
  readonly errno: number;
  readonly code: string;

  constructor(syscall: string, errno: number) {
    super(`${syscall}: ${errnoName(errno)}`);
    this.name = 'SystemError';
    this.syscall = syscall;
    this.errno = errno;
    this.code = errnoName(errno);
  }
}

/** Too many descriptors in flight (unix(7)); Node does not know its name. */
const ETOOMANYREFS = 109;

/** `EAGAIN` for 11 or -11. */
export function errnoName(errno: number): string {
  const number = Math.abs(errno);
  return number === ETOOMANYREFS ? 'ETOOMANYREFS' : getSystemErrorName(-number);
}

function bind(koffi: Koffi) {
  const c = koffi.load(null);
  return {
    koffi,
    socket: c.func('int socket(int domain, int type, int protocol)'),
    bind: c.func('int bind(int fd, const void *address, uint length)'),
    listen: c.func('int listen(int fd, int backlog)'),
    accept4: c.func('int accept4(int fd, void *address, void *length, int flags)'),
    connect: c.func('int connect(int fd, const void *address, uint length)'),
    shutdown: c.func('int shutdown(int fd, int how)'),
    send: c.func('intptr_t send(int fd, const void *buffer, size_t length, int flags)'),
    recv: c.func('intptr_t recv(int fd, void *buffer, size_t length, int flags)'),
    sendmsg: c.func('intptr_t sendmsg(int fd, const void *message, int flags)'),
    recvmsg: c.func('intptr_t recvmsg(int fd, void *message, int flags)'),
    fcntl: c.func('int fcntl(int fd, int command, int argument)'),
    close: c.func('int close(int fd)'),
    setsockopt: c.func('int setsockopt(int fd, int level, int name, const void *value, uint length)'),
    getsockopt: c.func('int getsockopt(int fd, int level, int name, void *value, void *length)'),
    inet_ntop: c.func('const char *inet_ntop(int family, const void *address, void *text, uint length)'),
    epoll_create1: c.func('int epoll_create1(int flags)'),
    epoll_ctl: c.func('int epoll_ctl(int epoll, int op, int fd, const void *event)'),
    epoll_wait: c.func('int epoll_wait(int epoll, void *events, int most, int timeout)'),
  };
}

type Native = ReturnType<typeof bind>;
let loaded: Native | undefined;
let failure: string | undefined;

function unsupportedReason(): string | undefined {
  if (process.platform !== 'linux')
    return `it needs Linux: SOCK_SEQPACKET with SCM_RIGHTS is missing on ${process.platform}`;
  if (process.arch !== 'x64' && process.arch !== 'arm64')
    return `it needs an x64 or arm64 processor, not ${process.arch}`;
  if (endianness() !== 'LE') return 'it needs a little-endian processor';
  return undefined;
}

/** Loads koffi. @throws handoffUnsupported */
export function native(): Native {
  if (loaded) return loaded;
  failure ??= unsupportedReason();
  if (failure === undefined) {
    try {
      return (loaded = bind(createRequire(import.meta.url)('koffi') as Koffi));
    } catch (error) {
      failure = `koffi does not load (${(error as Error).message.split('\n')[0]})`;
    }
  }
  throw handoffUnsupported({ platform: `${process.platform} ${process.arch}`, reason: failure });
}

export function supported(): Support {
  try {
    native();
    return { ok: true };
  } catch (error) {
    return { ok: false, reason: (error as Error).message };
  }
}

/** Memory whose address may be stored in another struct: off V8's heap, never moved. Keep a reference to it. */
export function pinned(bytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(bytes));
}

function check(syscall: string, result: number): number {
  if (result < 0) throw new SystemError(syscall, native().koffi.errno());
  return result;
}

function checkRange(buffer: Uint8Array, offset: number, length: number): void {
  // The kernel would read or write past the end of the buffer: the one mistake here that corrupts memory.
  if (!(offset >= 0 && length >= 0 && offset + length <= buffer.byteLength)) {
    throw new RangeError(`${length} bytes at ${offset} are outside a buffer of ${buffer.byteLength}`);
  }
}

/**
 * Writes to a socket without waiting. Passing the Buffer itself is safe for such a synchronous call, wherever
 * its bytes are, and as fast as passing an address (280 ns against 265, of which 220 are the bare call).
 * @returns bytes the kernel took (may be fewer than `length`), or a negative errno: `-libc.EAGAIN` when it takes none now
 */
function send(fd: Fd, buffer: Uint8Array, offset = 0, length = buffer.byteLength - offset): number {
  checkRange(buffer, offset, length);
  const c = loaded ?? native();
  const bytes = offset === 0 ? buffer : buffer.subarray(offset, offset + length);
  for (;;) {
    const sent: number = c.send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return sent;
    const errno = c.koffi.errno();
    if (errno !== EINTR) return -errno;
  }
}

/** Reads from a socket without waiting. @returns bytes read, 0 at the end, or a negative errno */
function recv(fd: Fd, buffer: Uint8Array, offset = 0, length = buffer.byteLength - offset): number {
  return receive(fd, buffer, offset, length, MSG_DONTWAIT);
}

/** As `recv`, but leaves what it has read in the socket. */
function peek(fd: Fd, buffer: Uint8Array): number {
  return receive(fd, buffer, 0, buffer.byteLength, MSG_DONTWAIT | MSG_PEEK);
}

function receive(fd: Fd, buffer: Uint8Array, offset: number, length: number, flags: number): number {
  checkRange(buffer, offset, length);
  const c = loaded ?? native();
  const bytes = offset === 0 ? buffer : buffer.subarray(offset, offset + length);
  for (;;) {
    const got: number = c.recv(fd, bytes, length, flags);
    if (got >= 0) return got;
    const errno = c.koffi.errno();
    if (errno !== EINTR) return -errno;
  }
}

/** Another descriptor for the same open socket, closed on exec. @throws SystemError (EBADF, EMFILE) */
function dup(fd: Fd): Fd {
  return check('fcntl', native().fcntl(fd, F_DUPFD_CLOEXEC, FIRST_DUP));
}

/** Closes a descriptor. close(2) frees it whatever it returns, so there is nothing to throw. */
function close(fd: Fd): void {
  native().close(fd);
}

const int = pinned(4);
const length = pinned(4);
const cred = pinned(12);

/** Asks for a larger send buffer; the kernel may give less. */
function setSendBuffer(fd: Fd, bytes: number): void {
  int.writeInt32LE(bytes);
  check('setsockopt', native().setsockopt(fd, SOL_SOCKET, SO_SNDBUF, int, 4));
}

function peerCredentials(fd: Fd): Credentials {
  length.writeInt32LE(12);
  check('getsockopt', native().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, cred, length));
  return { pid: cred.readInt32LE(0), uid: cred.readUInt32LE(4), gid: cred.readUInt32LE(8) };
}

// --- TCP

/** Holds a sockaddr_storage. */
const peer = pinned(128);
/** INET6_ADDRSTRLEN */
const peerText = pinned(46);
const V4_MAPPED = Buffer.from('00000000000000000000ffff', 'hex');

/** Accepts a connection. @returns a descriptor, or a negative errno (`-libc.EAGAIN`: nobody waits) */
function acceptTcp(fd: Fd): number {
  const c = loaded ?? native();
  length.writeInt32LE(peer.length);
  const got: number = c.accept4(fd, peer, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return got >= 0 ? got : -c.koffi.errno();
}

/**
 * Who is at the other end of the connection that `acceptTcp` returned last, in the spelling of `socket.remoteAddress`;
 * undefined for a link-local address, which is nothing without its interface, and for what is no IP address.
 */
function acceptedFrom(): string | undefined {
  const family = peer.readUInt16LE(0);
  if (family === AF_INET) return `${peer[4]}.${peer[5]}.${peer[6]}.${peer[7]}`;
  if (family !== AF_INET6) return undefined;
  if (peer.compare(V4_MAPPED, 0, 12, 8, 20) === 0)
    return `::ffff:${peer[20]}.${peer[21]}.${peer[22]}.${peer[23]}`;
  if (peer[8] === 0xfe && (peer[9]! & 0xc0) === 0x80) return undefined;
  return native().inet_ntop(AF_INET6, peer.subarray(8, 24), peerText, peerText.length) ?? undefined;
}

/** Small packets leave at once; connections have that from the socket that they were accepted on. */
function setNoDelay(fd: Fd): void {
  int.writeInt32LE(1);
  check('setsockopt', native().setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, int, 4));
}

// --- Unix sockets of packets

function address(path: string): Buffer {
  const bytes = Buffer.from(path);
  if (bytes.length === 0 || bytes.length > MAX_PATH || bytes.includes(0))
    throw new SystemError('bind', os.errno.ENAMETOOLONG);
  const sockaddr = pinned(2 + bytes.length + 1);
  sockaddr.writeUInt16LE(AF_UNIX, 0);
  bytes.copy(sockaddr, 2);
  return sockaddr;
}

function packetSocket(): Fd {
  return check('socket', native().socket(AF_UNIX, SEQPACKET, 0));
}

function bindPath(fd: Fd, path: string): void {
  const sockaddr = address(path);
  check('bind', native().bind(fd, sockaddr, sockaddr.length));
}

function listen(fd: Fd, backlog: number): void {
  check('listen', native().listen(fd, backlog));
}

/** @returns a descriptor, or a negative errno (`-libc.EAGAIN`: nobody waits) */
function accept(fd: Fd): number {
  const c = native();
  const got: number = c.accept4(fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return got >= 0 ? got : -c.koffi.errno();
}

/**
 * @returns a connected SOCK_SEQPACKET descriptor, or a negative errno (EAGAIN: the listener's backlog is full; EMFILE,
 * ENFILE: there is no descriptor left)
 */
function connectPath(path: string): number {
  const sockaddr = address(path);
  const c = native();
  const fd: number = c.socket(AF_UNIX, SEQPACKET, 0);
  if (fd < 0) return -c.koffi.errno();
  if (c.connect(fd, sockaddr, sockaddr.length) === 0) return fd;
  const errno = c.koffi.errno();
  close(fd);
  return -errno;
}

/** Ends our side of a stream (FIN); the other end may go on sending. */
function endWriting(fd: Fd): void {
  native().shutdown(fd, SHUT_WR);
}

/** After this the other end can send nothing more; what it had sent can still be received. */
function shutdown(fd: Fd): void {
  native().shutdown(fd, SHUT_RDWR);
}

// --- many descriptors at once: epoll(7), level-triggered

/** Size of a struct epoll_event, which x64 alone packs, and where its data stands in it. */
const EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
const EVENT_DATA = EVENT_BYTES - 8;
const event = pinned(EVENT_BYTES);

/** What `epollWait` fills. */
interface EpollEvents {
  readonly memory: Buffer;
  readonly most: number;
}

/** @throws SystemError when descriptors run out */
function epollCreate(): Fd {
  return check('epoll_create1', native().epoll_create1(EPOLL_CLOEXEC));
}

/**
 * Reports `fd` as long as it can be read, has ended or failed.
 * @param data 32 bits that come with the report
 * @throws SystemError (EEXIST, ENOSPC)
 */
function epollAdd(epoll: Fd, fd: Fd, data: number): void {
  event.writeUInt32LE(EPOLLIN, 0);
  event.writeUInt32LE(data, EVENT_DATA);
  check('epoll_ctl', native().epoll_ctl(epoll, EPOLL_CTL_ADD, fd, event));
}

/** To be called before `fd` is closed: while a copy of it lives elsewhere, the kernel goes on reporting it. */
function epollRemove(epoll: Fd, fd: Fd): void {
  native().epoll_ctl(epoll, EPOLL_CTL_DEL, fd, event);
}

/** Memory for the reports of at most `most` descriptors. */
function epollEvents(most: number): EpollEvents {
  return { memory: pinned(most * EVENT_BYTES), most };
}

/** Asks without waiting. @returns how many events were reported; see `epollData` */
function epollWait(epoll: Fd, { memory, most }: EpollEvents): number {
  return Math.max(0, (loaded ?? native()).epoll_wait(epoll, memory, most, 0));
}

/** What was given to `epollAdd` for the descriptor of event `index`. */
function epollData({ memory }: EpollEvents, index: number): number {
  return memory.readUInt32LE(index * EVENT_BYTES + EVENT_DATA);
}

// --- waiting

/** koffi collects a poll handle that JavaScript does not hold, and it then goes silent. */
const held = new Set<PollHandle>();

/**
 * Calls back each time `fd` has something to read (level-triggered), until cancelled. One watcher per
 * descriptor number and event loop; watch a `dup` when something else may watch the same one.
 */
function watchReadable(fd: Fd, callback: () => void): Watch {
  const { koffi } = native();
  // libuv stops a poll at EPOLLERR (status < 0) without saying what; the read in the callback finds out, and
  // after a start() the poll reports what comes after the error.
  const events = { readable: true };
  const fired = (status: number): void => {
    if (status < 0 && held.has(handle)) handle.start(events, fired);
    callback();
  };
  const handle = koffi.node.poll(fd, events, fired);
  held.add(handle);
  return {
    pause: () => void (held.has(handle) && handle.stop()),
    resume: () => void (held.has(handle) && handle.start(events, fired)),
    cancel: () => void (held.delete(handle) && handle.close()),
    ref: () => handle.ref(),
    unref: () => handle.unref(),
  };
}

/**
 * Calls back once, when `fd` takes bytes again or has failed (the next `send` tells which). Watches a dup of it,
 * so a `net.Socket` may go on reading from the same descriptor, and `fd` may be closed before the wait is cancelled.
 * @throws SystemError when there is no descriptor left for the dup (EMFILE)
 */
function waitWritable(fd: Fd, callback: () => void): Wait {
  const { koffi } = native();
  const own = dup(fd);
  const cancel = (): void => {
    if (!held.delete(handle)) return;
    handle.close();
    close(own);
  };
  const handle = koffi.node.poll(own, { writable: true }, () => {
    if (!held.has(handle)) return;
    cancel();
    callback();
  });
  held.add(handle);
  return { cancel };
}

export const libc = {
  EAGAIN,
  EPIPE: os.errno.EPIPE,
  ECONNABORTED: os.errno.ECONNABORTED,
  ECONNRESET: os.errno.ECONNRESET,
  ECONNREFUSED: os.errno.ECONNREFUSED,
  EPROTO: os.errno.EPROTO,
  EMFILE: os.errno.EMFILE,
  ENFILE: os.errno.ENFILE,
  ENOBUFS: os.errno.ENOBUFS,
  ENOMEM: os.errno.ENOMEM,
  EADDRINUSE: os.errno.EADDRINUSE,
  ETOOMANYREFS,
  supported,
  errnoName,
  dup,
  close,
  send,
  recv,
  peek,
  acceptTcp,
  acceptedFrom,
  setNoDelay,
  setSendBuffer,
  peerCredentials,
  packetSocket,
  bindPath,
  listen,
  accept,
  connectPath,
  endWriting,
  shutdown,
  epollCreate,
  epollAdd,
  epollRemove,
  epollEvents,
  epollWait,
  epollData,
  watchReadable,
  waitWritable,
} as const;
