/** Events kept for a listener that is not there yet. */
const MAX_EARLY = 256;

/** Listeners by event name. What happens before the first listener for it is there is delivered to it at once. */
export class Emitter<Events extends { [name: string]: (...args: any[]) => void }> {
  private readonly listeners = new Map<keyof Events, Set<(...args: any[]) => void>>();
  private early: [keyof Events, unknown[]][] = [];

  /** @returns a function that removes the listener */
  on<Name extends keyof Events>(name: Name, listener: Events[Name]): () => void {
    const all = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, all.add(listener));
    const missed = this.early.filter(([event]) => event === name);
    this.early = this.early.filter(([event]) => event !== name);
    for (const [, args] of missed) listener(...args);
    return () => all.delete(listener);
  }

  protected emit<Name extends keyof Events>(name: Name, ...args: Parameters<Events[Name]>): void {
    const all = this.listeners.get(name);
    if (all) for (const listener of [...all]) listener(...args);
    else if (this.early.length < MAX_EARLY) this.early.push([name, args]);
  }
}
