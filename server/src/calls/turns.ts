// How many calls of a host are under way at a time; the others wait for their turn, first come first served.

export const MAX_CALLS_AT_ONCE = 256;
const MAX_WAITING = 10_000;

export class Turns {
  private free = MAX_CALLS_AT_ONCE;
  private readonly waiting = new Set<() => void>();

  /** @returns `full`: too many wait; `late`: its turn did not come in time; after `taken`, `give` has to follow */
  async take(ms: number): Promise<'taken' | 'full' | 'late'> {
    if (this.free > 0) {
      this.free--;
      return 'taken';
    }
    if (this.waiting.size >= MAX_WAITING) return 'full';
    return new Promise((resolve) => {
      const turn = () => {
        clearTimeout(timer);
        resolve('taken');
      };
      const timer = setTimeout(() => {
        this.waiting.delete(turn);
        resolve('late');
      }, ms);
      this.waiting.add(turn);
    });
  }

  give(): void {
    const [next] = this.waiting;
    if (!next) {
      this.free++;
      return;
    }
    this.waiting.delete(next);
    next();
  }
}
