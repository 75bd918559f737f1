/** Events of a name kept for a listener that is not there yet. */
const MAX_EARLY = 256;

interface Early {
  events: unknown[][];
  lost: number;
}

/**
 * Listeners by event name. What happens before the first listener for it is there is delivered to it at once. What a
 * listener throws is the game's affair: it is thrown again by itself, and nobody else misses anything.
 */
export class Emitter<Events extends { [name: string]: (...args: any[]) => void }> {
  private readonly listeners = new Map<keyof Events, Set<(...args: any[]) => void>>();
  private readonly early = new Map<keyof Events, Early>();

  /** @returns a function that removes the listener */
  on<Name extends keyof Events>(name: Name, listener: Events[Name]): () => void {
    const all = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, all.add(listener));
    const missed = this.early.get(name);
    this.early.delete(name);
    for (const args of missed?.events ?? []) call(listener, args);
    if (missed && missed.lost > 0) this.eventsLost(name, missed.lost);
    return () => all.delete(listener);
  }

  protected emit<Name extends keyof Events>(name: Name, ...args: Parameters<Events[Name]>): void {
    const all = this.listeners.get(name);
    if (all) {
      for (const listener of [...all]) call(listener, args);
      return;
    }
    const early = this.early.get(name) ?? { events: [], lost: 0 };
    this.early.set(name, early);
    if (early.events.length < MAX_EARLY) early.events.push(args);
    else early.lost++;
  }

  /** A listener came so late that the last `count` of the events before it were not kept. */
  protected eventsLost(_name: keyof Events, _count: number): void {}
}

function call(listener: (...args: any[]) => void, args: unknown[]): void {
  try {
    listener(...args);
  } catch (error) {
    setTimeout(() => {
      throw error;
    });
  }
}
