// Waiting for one descriptor, in the loop of Node.
import { close, dup, type Fd, native, type PollHandle } from './native.ts';

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

/** koffi collects a poll handle that JavaScript does not hold, and it then goes silent. */
const held = new Set<PollHandle>();

/**
 * Calls back each time `fd` has something to read (level-triggered), until cancelled. One watcher per
 * descriptor number and event loop; watch a `dup` when something else may watch the same one.
 */
export function watchReadable(fd: Fd, callback: () => void): Watch {
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
export function waitWritable(fd: Fd, callback: () => void): Wait {
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
