import type { Report } from '@baton/functions/simulate';
import { percentile } from '@baton/functions/simulate';
import { type Chart, lineUp, reportPage, type Section } from '../report/index.ts';
import { figures, partyTable, type Result, sizeTable } from './result.ts';

/** The report of one matchmaker, or of two on the same players, as an HTML file. */
export function pageOf(results: readonly Result[], facts: readonly string[]): string {
  return reportPage({
    title: `Simulation: ${results.map(({ name }) => name).join(' and ')}`,
    facts,
    sections: [
      { title: 'Figures', table: figures(results) },
      overTime(
        'Players waiting',
        'players',
        'Most players in the queue, from moment to moment.',
        results,
        (point) => point.waiting,
      ),
      percentiles(
        'Waiting time',
        'seconds',
        'Of players who were matched: so many percent waited no longer.',
        results,
        ({ searches }) =>
          searches
            .filter(({ outcome }) => outcome === 'matched')
            .flatMap(({ ticket, endedAt }) => ticket.players.map(() => (endedAt - ticket.createdAt) / 1000)),
      ),
      overTime(
        'Waiting time, p95',
        'seconds',
        'Of players who were matched at that time.',
        results,
        ({ wait }) => wait.p95 / 1000,
      ),
      percentiles(
        'Win probability of the better side',
        'percent',
        'So many percent of the matches were no less even; two even sides have 50 %.',
        results,
        ({ matches }) => matches.flatMap(({ fairness }) => (fairness === undefined ? [] : [fairness * 100])),
        50,
      ),
      percentiles(
        'Rating spread in a match',
        'rating',
        'Between the best and the worst player: so many percent of the matches had no more.',
        results,
        ({ matches }) => matches.flatMap(({ spread }) => (spread === undefined ? [] : [spread])),
      ),
      percentiles(
        'Latency to the region of the match',
        'milliseconds',
        'Round trips: so many percent of the players had no more.',
        results,
        ({ matches }) =>
          matches.flatMap(({ match: { region }, teams }) =>
            region === undefined ? [] : teams.flat().flatMap(({ latency }) => latency?.[region] ?? []),
          ),
      ),
      byRating(results),
      overTime(
        'Players who gave up',
        'players',
        'In each span of time.',
        results,
        ({ abandoned }) => abandoned,
      ),
      { title: 'Parties', table: partyTable(results) },
      { title: 'Match sizes', table: sizeTable(results) },
    ].filter(hasNumbers),
  });
}

/** What never happened is not shown. */
function hasNumbers({ chart, table }: Section): boolean {
  if (chart) return chart.series.some(({ values }) => values.some((value) => value !== null && value !== 0));
  return table !== undefined && table.rows.length > 0;
}

function overTime(
  title: string,
  unit: string,
  note: string,
  results: readonly Result[],
  value: (point: Report['timeline'][number]) => number,
): Section {
  const { values, series } = lineUp(
    results.map(({ name, report }) => ({
      label: name,
      points: report.timeline.map((point) => [point.at / 1000, value(point)] as const),
    })),
  );
  return {
    title,
    note,
    chart: { kind: 'lines', x: { label: 'seconds', values }, y: { label: unit }, series },
  };
}

function percentiles(
  title: string,
  unit: string,
  note: string,
  results: readonly Result[],
  of: (result: Result) => number[],
  from?: number,
): Section {
  const values = Array.from({ length: 101 }, (_, percent) => percent);
  const series = results.map((result) => {
    const sorted = Float64Array.from(of(result)).sort();
    const at = (percent: number) => Math.round(percentile(sorted, percent) * 1000) / 1000;
    return {
      label: result.name,
      values: values.map((percent) => (sorted.length === 0 ? null : at(percent))),
    };
  });
  const chart: Chart = { kind: 'lines', x: { label: 'percent', values }, y: { label: unit, from }, series };
  return { title, note, chart };
}

function byRating(results: readonly Result[]): Section {
  const { values, series } = lineUp(
    results.map(({ name, report }) => ({
      label: name,
      points: report.byRating.map(
        ({ from, to, wait }) => [Math.round((from + to) * 50) / 100, wait.p95 / 1000] as const,
      ),
    })),
  );
  return {
    title: 'Waiting time by rating, p95',
    note: 'Ten groups with equally many players, at the middle of their ratings: do the best and the worst wait longest?',
    chart: { kind: 'lines', x: { label: 'rating', values }, y: { label: 'seconds' }, series },
  };
}
