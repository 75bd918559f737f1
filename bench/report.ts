// What a bench measured: one JSON line per figure with --json, else a table.

export interface Figure {
  bench: string;
  /** Size and percentile, `60 Hz`, `100 clients p99`. */
  case: string;
  /** `baton`, `colyseus`, `ws`, `uws`. */
  subject: string;
  value: number;
  unit: string;
}

export interface Ratio {
  bench: string;
  case: string;
  ratioVs: string;
  /** Baton's value divided by that of `ratioVs`. */
  ratio: number;
}

const rounded = (value: number) => Number(value.toPrecision(4));

export class Report {
  readonly figures: Figure[] = [];
  readonly bench: string;
  readonly json: boolean;
  /** Sizes that only show that the bench works. */
  readonly quick: boolean;

  constructor(bench: string, options: { json: boolean; quick: boolean }) {
    this.bench = bench;
    this.json = options.json;
    this.quick = options.quick;
  }

  add(caseName: string, subject: string, value: number, unit: string): void {
    const figure = { bench: this.bench, case: caseName, subject, value: rounded(value), unit };
    this.figures.push(figure);
    if (this.json) console.log(JSON.stringify(figure));
  }

  /** Baton against every other subject of the same case. */
  ratios(): Ratio[] {
    return this.figures
      .filter((figure) => figure.subject !== 'baton')
      .flatMap((other) => {
        const own = this.figures.find(
          ({ case: name, subject }) => name === other.case && subject === 'baton',
        );
        if (!own) return [];
        return [
          {
            bench: this.bench,
            case: other.case,
            ratioVs: other.subject,
            ratio: rounded(own.value / other.value),
          },
        ];
      });
  }

  finish(): void {
    const ratios = this.ratios();
    if (this.json) {
      for (const ratio of ratios) console.log(JSON.stringify(ratio));
      return;
    }
    const rows = this.figures.map((figure) => {
      const ratio = ratios.find(
        ({ case: name, ratioVs }) => name === figure.case && ratioVs === figure.subject,
      );
      return [
        figure.case,
        figure.subject,
        `${figure.value} ${figure.unit}`,
        ratio ? `baton is ${ratio.ratio}×` : '',
      ];
    });
    const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
    for (const row of rows)
      console.log(
        row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd(),
      );
  }
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Nearest-rank percentile. @param p 0–100 */
export function percentile(values: number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] ?? Number.NaN;
}

export const progress = (text: string) => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
};
