/** Numbers kept at most while they are missing. */
const REMEMBERED = 10_000;

/** Watches a numbered channel that should go 1, 2, 3, … and counts what does not. */
export class Sequence {
  received = 0;
  lost = 0;
  duplicated = 0;
  reordered = 0;
  private highest: number | undefined;
  private readonly missing = new Set<number>();

  add(n: number): void {
    this.received++;
    if (this.highest === undefined || n === this.highest + 1) {
      this.highest = n;
      return;
    }
    if (n > this.highest) {
      for (let i = this.highest + 1; i < n && this.missing.size < REMEMBERED; i++) this.missing.add(i);
      this.lost += n - this.highest - 1;
      this.highest = n;
    } else if (this.missing.delete(n)) {
      this.lost--;
      this.reordered++;
    } else {
      this.duplicated++;
    }
  }

  /** What a dropped connection lost is told by the disconnect itself. */
  restart(): void {
    this.highest = undefined;
    this.missing.clear();
  }
}
