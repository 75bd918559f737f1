/** How far a jump is looked into number by number; a longer one counts as lost at once. */
const longestJump = 100_000;

/** Checks numbers that count up by one, each sent once. */
export class Sequence {
  received = 0;
  duplicated = 0;
  reordered = 0;
  readonly #missing = new Set<number>();
  #first: number | undefined;
  #highest: number | undefined;
  #lostInJumps = 0;

  /** @param first the number expected first; `undefined` = whatever comes */
  constructor(first?: number) {
    if (first !== undefined) {
      this.#first = first;
      this.#highest = first - 1;
    }
  }

  /** Highest number seen, 0 when none came. */
  get highest(): number {
    return this.#highest ?? 0;
  }

  get lost(): number {
    return this.#missing.size + this.#lostInJumps;
  }

  /** How many numbers were sent as far as this end can tell. */
  get sent(): number {
    return this.#first === undefined ? 0 : this.highest - this.#first + 1;
  }

  accept(n: number): void {
    this.received++;
    if (this.#highest === undefined) {
      this.#first = this.#highest = n;
    } else if (n > this.#highest) {
      this.#skipTo(n);
      this.#highest = n;
    } else if (this.#missing.delete(n)) {
      this.reordered++;
    } else {
      this.duplicated++;
    }
  }

  /** @param last highest number the sender used: what is not there by now is lost */
  end(last: number): void {
    if (this.#highest === undefined || last <= this.#highest) return;
    this.#skipTo(last + 1);
    this.#highest = last;
  }

  #skipTo(n: number): void {
    if (n - this.#highest! > longestJump) this.#lostInJumps += n - this.#highest! - 1;
    else for (let k = this.#highest! + 1; k < n; k++) this.#missing.add(k);
  }
}
