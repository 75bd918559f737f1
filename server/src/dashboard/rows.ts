// Rows of all hosts as one list. A room that just moves may be told of by two hosts, the later epoch is where it went; or
// for a moment by none.

/** Longer than hosts are apart in what they tell. */
const GONE_AFTER_MS = 1_500;

interface Kept<R> {
  row: R;
  host: string;
  /** Its host does not tell of it any more since then (performance.now()). */
  goneAt?: number | undefined;
}

export interface RowsOptions<R> {
  epoch(row: R): number;
  /** To whose list it belongs. */
  group(row: R): string;
  /** Rows of one group; more are left out. */
  most: number;
}

export class Rows<R extends readonly [id: string, ...values: unknown[]]> {
  private readonly options: RowsOptions<R>;
  private readonly kept = new Map<string, Kept<R>>();
  private readonly sizes = new Map<string, number>();
  /** Ids of those that are new, different or gone, with their groups. */
  private dirty = new Map<string, string>();

  constructor(options: RowsOptions<R>) {
    this.options = options;
  }

  apply(host: string, { changed, gone }: { changed: R[]; gone: string[] }): void {
    const goneAt = performance.now();
    for (const id of gone) {
      const kept = this.kept.get(id);
      if (kept?.host === host) kept.goneAt = goneAt;
    }
    for (const row of changed) this.put(host, row);
  }

  /** What the host told is void, unless it is told again. */
  drop(host: string): void {
    const goneAt = performance.now();
    for (const kept of this.kept.values()) if (kept.host === host) kept.goneAt ??= goneAt;
  }

  sweep(): void {
    const until = performance.now() - GONE_AFTER_MS;
    for (const [id, { goneAt }] of this.kept) if (goneAt !== undefined && goneAt <= until) this.remove(id);
  }

  clear(): void {
    this.kept.clear();
    this.sizes.clear();
    this.dirty.clear();
  }

  of(group: string): Kept<R>[] {
    return [...this.kept.values()].filter(({ row }) => this.options.group(row) === group);
  }

  /** What is different since this was asked last, by group. */
  changes(): Map<string, { changed: Kept<R>[]; gone: string[] }> {
    const groups = new Map<string, { changed: Kept<R>[]; gone: string[] }>();
    for (const [id, group] of this.dirty) {
      let list = groups.get(group);
      if (!list) groups.set(group, (list = { changed: [], gone: [] }));
      const kept = this.kept.get(id);
      if (kept) list.changed.push(kept);
      else list.gone.push(id);
    }
    this.dirty = new Map();
    return groups;
  }

  private put(host: string, row: R): void {
    const { epoch, group, most } = this.options;
    const [id] = row;
    const there = this.kept.get(id);
    if (there && there.host !== host && epoch(there.row) > epoch(row)) return;
    const of = group(row);
    if (!there) {
      const size = this.sizes.get(of) ?? 0;
      if (size >= most) return;
      this.sizes.set(of, size + 1);
    }
    this.kept.set(id, { row, host });
    this.dirty.set(id, of);
  }

  private remove(id: string): void {
    const group = this.options.group(this.kept.get(id)!.row);
    this.kept.delete(id);
    this.sizes.set(group, this.sizes.get(group)! - 1);
    this.dirty.set(id, group);
  }
}
