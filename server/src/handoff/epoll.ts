// Many descriptors at once: epoll(7), level-triggered.
import { check, type Fd, native, pinned } from './native.ts';

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;

/** Size of a struct epoll_event, which x64 alone packs, and where its data stands in it. */
const EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
const EVENT_DATA = EVENT_BYTES - 8;
const event = pinned(EVENT_BYTES);

/** What `epollWait` fills. */
export interface EpollEvents {
  readonly memory: Buffer;
  readonly most: number;
}

/** @throws SystemError when descriptors run out */
export function epollCreate(): Fd {
  return check('epoll_create1', native().epoll_create1(EPOLL_CLOEXEC));
}

/**
 * Reports `fd` as long as it can be read, has ended or failed.
 * @param data 32 bits that come with the report
 * @throws SystemError (EEXIST, ENOSPC)
 */
export function epollAdd(epoll: Fd, fd: Fd, data: number): void {
  event.writeUInt32LE(EPOLLIN, 0);
  event.writeUInt32LE(data, EVENT_DATA);
  check('epoll_ctl', native().epoll_ctl(epoll, EPOLL_CTL_ADD, fd, event));
}

/** To be called before `fd` is closed: while a copy of it lives elsewhere, the kernel goes on reporting it. */
export function epollRemove(epoll: Fd, fd: Fd): void {
  native().epoll_ctl(epoll, EPOLL_CTL_DEL, fd, event);
}

/** Memory for the reports of at most `most` descriptors. */
export function epollEvents(most: number): EpollEvents {
  return { memory: pinned(most * EVENT_BYTES), most };
}

/** Asks without waiting. @returns how many events were reported; see `epollData` */
export function epollWait(epoll: Fd, { memory, most }: EpollEvents): number {
  return Math.max(0, native().epoll_wait(epoll, memory, most, 0));
}

/** What was given to `epollAdd` for the descriptor of event `index`. */
export function epollData({ memory }: EpollEvents, index: number): number {
  return memory.readUInt32LE(index * EVENT_BYTES + EVENT_DATA);
}
