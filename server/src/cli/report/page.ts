import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

/** A table; cells are text, and numbers stand to the right. */
export interface Table {
  head: readonly string[];
  rows: readonly (readonly (string | number)[])[];
}

export interface Series {
  label: string;
  /** As many as the chart has x values; `null` where there is none. */
  values: readonly (number | null)[];
}

export interface Chart {
  kind: 'lines' | 'points';
  x: { label: string; values: readonly number[] };
  /** `from`: where its axis begins; 0 if it is not said. */
  y: { label: string; from?: number };
  series: readonly Series[];
}

/** A chart, a table, or both; a chart without a table gets that of its numbers. */
export interface Section {
  title: string;
  /** What it shows, in a sentence. */
  note?: string;
  chart?: Chart;
  table?: Table;
}

export interface ReportPage {
  title: string;
  /** What was done: one line each. */
  facts: readonly string[];
  sections: readonly Section[];
}

/** A page of its own: styles, scripts and numbers are in it, and it asks nobody for anything. */
export function reportPage({ title, facts, sections }: ReportPage): string {
  const scripts = [uPlotFile('dist/uPlot.iife.min.js'), asset('charts.js')];
  const styles = uPlotFile('dist/uPlot.min.css') + asset('page.css');
  const policy = `default-src 'none'; script-src ${scripts.map(hashOf).join(' ')}; style-src ${hashOf(styles)}`;
  const charts = sections.map(({ chart }) => chart ?? null);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)}</title>
<!-- uPlot: ${uPlotFile('LICENSE').replaceAll('--', '')} -->
<style>${styles}</style>
</head>
<body>
<header>
<h1>${escaped(title)}</h1>
<button id="theme" type="button" aria-pressed="false">Dark</button>
<ul>${facts.map((fact) => `<li>${escaped(fact)}</li>`).join('')}</ul>
</header>
<main>
${sections.map(sectionHtml).join('\n')}
</main>
<script type="application/json" id="charts">${JSON.stringify(charts).replaceAll('<', '\\u003c')}</script>
${scripts.map((script) => `<script>${script}</script>`).join('\n')}
</body>
</html>
`;
}

function sectionHtml({ title, note, chart, table }: Section, index: number): string {
  const name = `s${index}`;
  const shown = table ?? (chart && numbersOf(chart));
  const figure = chart
    ? `<div class="chart" id="chart-${index}" role="img" aria-label="Chart: ${escaped(title)}. Its numbers are in the table below."></div>`
    : '';
  const rows = shown ? tableHtml(shown, title) : '';
  const body =
    chart && shown ? `<details><summary>Numbers: ${escaped(title)}</summary>${rows}</details>` : rows;
  const text = note ? `<p>${escaped(note)}</p>` : '';
  return `<section aria-labelledby="${name}"><h2 id="${name}">${escaped(title)}</h2>${text}${figure}${body}</section>`;
}

function tableHtml({ head, rows }: Table, title: string): string {
  const cell = (value: string | number, column: number) => {
    if (column === 0) return `<th scope="row">${escaped(String(value))}</th>`;
    return `<td>${escaped(typeof value === 'number' ? value.toLocaleString('en') : value)}</td>`;
  };
  return (
    `<div class="table" role="region" tabindex="0" aria-label="Table: ${escaped(title)}"><table>` +
    `<thead><tr>${head.map((name) => `<th scope="col">${escaped(name)}</th>`).join('')}</tr></thead>` +
    `<tbody>${rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('\n')}</tbody></table></div>`
  );
}

function numbersOf({ x, y, series }: Chart): Table {
  const unit = series.length > 1 ? '' : ` (${y.label})`;
  return {
    head: [x.label, ...series.map(({ label }) => label + unit)],
    rows: x.values.map((value, n) => [value, ...series.map(({ values }) => values[n] ?? '–')]),
  };
}

/** Puts several lines, each with x values of its own, over those of all of them. */
export function lineUp(lines: readonly { label: string; points: readonly (readonly [number, number])[] }[]): {
  values: number[];
  series: Series[];
} {
  const values = [...new Set(lines.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const series = lines.map(({ label, points }) => {
    const known = new Map(points);
    return { label, values: values.map((x) => known.get(x) ?? null) };
  });
  return { values, series };
}

const require = createRequire(import.meta.url);
const asset = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8');

function uPlotFile(name: string): string {
  const folder = path.dirname(path.dirname(require.resolve('uplot')));
  return readFileSync(path.join(folder, name), 'utf8');
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
