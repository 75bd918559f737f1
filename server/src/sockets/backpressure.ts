// A client that reads slowly slows down those who send to it: their connections are not read while the kernel takes no
// more for the slow one, so that TCP holds them back and nothing piles up here.
import type { Connection } from '../transport/index.ts';

const held = new WeakMap<Connection, Set<Connection>>();
/** How many slow ones a sender waits for. */
const waits = new WeakMap<Connection, number>();

/** Reads nothing more from `sender` until what was sent to `slow` is written, or never will be. */
export function waitFor(sender: Connection, slow: Connection): void {
  let waiting = held.get(slow);
  if (!waiting) {
    const senders = new Set<Connection>();
    waiting = senders;
    held.set(slow, senders);
    slow.whenWritten(() => {
      held.delete(slow);
      for (const each of senders) {
        const left = waits.get(each)! - 1;
        waits.set(each, left);
        if (left === 0) each.resumeReading();
      }
    });
  }
  if (waiting.has(sender)) return;
  waiting.add(sender);
  waits.set(sender, (waits.get(sender) ?? 0) + 1);
  sender.pauseReading();
}
