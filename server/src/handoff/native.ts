// libc through koffi, and what all calls of it share. koffi is loaded at the first call, so that importing this file
// works on every platform; `supported()` says whether calling does. Constants and struct layouts are those of 64-bit
// little-endian Linux (x64, arm64), glibc and musl alike: musl pads msghdr and cmsghdr to the same layout.

import { createRequire } from 'node:module';
import { endianness } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { handoffUnsupported } from '../errors.ts';

/** A descriptor number of this process. */
export type Fd = number;

/** Whether descriptors can be handed over here, and if not, why. */
export type Support = { ok: true } | { ok: false; reason: string };

export interface PollHandle {
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

const F_DUPFD_CLOEXEC = 1030;
const FIRST_DUP = 3;

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
export const ETOOMANYREFS = 109;

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

export function check(syscall: string, result: number): number {
  if (result < 0) throw new SystemError(syscall, native().koffi.errno());
  return result;
}

/** Another descriptor for the same open socket, closed on exec. @throws SystemError (EBADF, EMFILE) */
export function dup(fd: Fd): Fd {
  return check('fcntl', native().fcntl(fd, F_DUPFD_CLOEXEC, FIRST_DUP));
}

/** Closes a descriptor. close(2) frees it whatever it returns, so there is nothing to throw. */
export function close(fd: Fd): void {
  native().close(fd);
}
