/**
 * Random numbers that a seed repeats: sfc32 of PractRand (Chris Doty-Humphrey), 128 bits of state, seeded by splitmix32.
 * Streams of one seed do not depend on each other, so that a choice more here does not change those made there.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param stream which of the seed's streams: whole numbers */
  constructor(seed: number, ...stream: number[]) {
    let state = 0x9e3779b9;
    for (const part of [seed, Math.floor(seed / 2 ** 32), ...stream]) state = mix(state ^ part);
    this.#a = state = mix(state + 0x9e3779b9);
    this.#b = state = mix(state + 0x9e3779b9);
    this.#c = mix(state + 0x9e3779b9);
    for (let n = 0; n < 12; n++) this.next();
  }

  /** @returns a number in [0, 1) */
  readonly next = (): number => {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };

  /** Time to the next event of a Poisson process with so much between two on average. */
  exponential(mean: number): number {
    return -Math.log(1 - this.next()) * mean;
  }

  /** Box and Muller's. */
  normal(mean: number, deviation: number): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    return mean + deviation * radius * Math.cos(2 * Math.PI * this.next());
  }

  /** @param shares of anything; they need not add up to one */
  pick<T>(choices: readonly (readonly [T, number])[]): T {
    let left = this.next() * choices.reduce((sum, [, share]) => sum + share, 0);
    for (const [choice, share] of choices) if ((left -= share) < 0) return choice;
    return choices.at(-1)![0];
  }
}

/** The finalizer of splitmix32. */
function mix(value: number): number {
  let z = value | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return z ^ (z >>> 15);
}
