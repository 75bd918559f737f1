/** How a loop was asked for: what another host needs to begin it again. */
export interface LoopRequest {
  /** Function the game passed. */
  callback: Function;
  /** Made by onCreate(), so that the target's makes it, too. */
  atCreation: boolean;
  /** Fixed timestep only: steps per second. */
  tickRate?: number | undefined;
  subSteps?: number | undefined;
}

/** A game loop that can be stopped and go on elsewhere; what it runs is given, what it counts is here. */
export class Simulation {
  readonly kind: 'variable' | 'fixed';
  /** Interval of the loop in ms. */
  readonly intervalMs: number;
  readonly request: LoopRequest;
  /** Date.now() of the last run, to keep the rhythm across a move. */
  lastRunAt = Date.now();
  /** Fixed timestep only: measured time not yet simulated (ms) and index of the next step. */
  accumulator = 0;
  tick = 0;
  readonly run: () => void;

  constructor(
    kind: 'variable' | 'fixed',
    intervalMs: number,
    request: LoopRequest,
    body: (simulation: Simulation) => void,
  ) {
    this.kind = kind;
    this.intervalMs = intervalMs;
    this.request = request;
    this.run = () => {
      this.lastRunAt = Date.now();
      body(this);
    };
  }
}
