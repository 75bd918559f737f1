// What the store could not be told while it was away is told when it is back, however long that takes: the alias of a
// closed socket would be taken for good, and its place in a group.
import { asBatonError } from '../errors.ts';
import type { Log } from '../telemetry/index.ts';

const RETRY_EVERY_MS = 1_000;
/** Beyond it the oldest is given up. */
const MAX_BACKLOG = 100_000;
/** Tries of what fails although the store is there. */
const MAX_TRIES = 60;

type Work = () => Promise<void>;

export class Backlog {
  private readonly log: Log;
  private readonly everyMs: number;
  /** And how often each has failed. */
  private readonly works = new Map<Work, number>();
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(log: Log, everyMs = RETRY_EVERY_MS) {
    this.log = log;
    this.everyMs = everyMs;
  }

  /** Does it now, else later. @param work may be done twice. Never rejects */
  async doOrAdd(work: Work): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (this.stopped) return;
      this.log.warn({ err: error }, 'a closed socket is not cleared up yet');
      this.works.set(work, 0);
      if (this.works.size > MAX_BACKLOG) this.works.delete(this.works.keys().next().value!);
      this.arm();
    }
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.works.clear();
  }

  private arm(): void {
    if (this.works.size > 0 && !this.stopped)
      this.timer ??= setTimeout(() => void this.run(), this.everyMs).unref();
  }

  private async run(): Promise<void> {
    for (const [work, tries] of [...this.works]) {
      if (this.stopped) return;
      try {
        await work();
        this.works.delete(work);
      } catch (error) {
        if (asBatonError(error).code === 'BATON_STORE_UNAVAILABLE') break; // nor would the others succeed
        if (tries + 1 < MAX_TRIES) this.works.set(work, tries + 1);
        else {
          this.works.delete(work);
          this.log.warn({ err: error }, 'a closed socket was not cleared up');
        }
      }
    }
    this.timer = undefined;
    this.arm();
  }
}
