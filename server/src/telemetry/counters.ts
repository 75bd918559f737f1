// What a process counts as it goes. Plain numbers, so that counting costs next to nothing where bytes and messages
// pass; they are read when somebody asks for the metrics.

/** Upper bounds in seconds of the buckets of every duration. */
export const BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** How often something took how long. */
export class Durations {
  /** By bound, each on its own; the last one is of those beyond all bounds. */
  readonly counts = new Array<number>(BOUNDS.length + 1).fill(0);
  sum = 0;

  /** @param seconds */
  add(seconds: number): void {
    let at = 0;
    while (at < BOUNDS.length && seconds > BOUNDS[at]!) at++;
    this.counts[at]!++;
    this.sum += seconds;
  }
}

/** A number for each of a few names. */
export class Tally {
  readonly counts = new Map<string, number>();

  add(name: string, n = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + n);
  }
}

/** Durations for each of a few names. */
export class DurationsOf {
  readonly of = new Map<string, Durations>();

  add(name: string, seconds: number): void {
    let durations = this.of.get(name);
    if (!durations) this.of.set(name, (durations = new Durations()));
    durations.add(seconds);
  }
}

/** Of this process, since it started. */
export const counters = {
  connectionsOpened: 0,
  messagesIn: 0,
  messagesOut: 0,
  bytesIn: 0,
  bytesOut: 0,
  /** Of sockets whose mapping is `volatile`, for peers that could not take them. */
  messagesLeftOut: 0,
  socketsLinked: 0,
  /** By kind of call, then what came of it: `open delivered`, `close failed`. */
  calls: new Tally(),
  /** By kind of call. */
  callSeconds: new DurationsOf(),
  callRetries: 0,
  deadLetters: 0,
  /** By tenant: how often its list of dead letters has changed. */
  lettersOf: new Tally(),
  /** By what came of it: `moved`, or the code of the error. */
  moves: new Tally(),
  blackouts: new Durations(),
  storeOutages: 0,
  /** By operation, then status. */
  controlRequests: new Tally(),
  controlSeconds: new Durations(),
};
