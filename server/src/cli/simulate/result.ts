import type { Distribution, Report, Simulation } from '@baton/functions/simulate';
import type { Table } from '../report/index.ts';

export interface Result extends Simulation {
  /** What reports call the matchmaker. */
  name: string;
  /** Of functions: how often a link that was wanted was not made, by code. */
  refused?: Record<string, number>;
}

/** The figures of one matchmaker beside those of the other. */
export function figures(results: readonly Result[]): Table {
  const rows: (readonly [string, (report: Report) => string])[] = [
    ['players arrived', ({ players }) => whole(players.arrived)],
    ['players matched', ({ players }) => share(players.matched, players.arrived)],
    ['players who gave up', ({ players }) => share(players.abandoned, players.arrived)],
    [
      'players turned away',
      ({ players }) => (players.turnedAway === 0 ? '-' : share(players.turnedAway, players.arrived)),
    ],
    ['players waiting at the end', ({ players }) => whole(players.waiting)],
    ['matches', ({ matches }) => whole(matches)],
    ...spread('wait', 's', ({ wait }) => wait, seconds),
    ...spread('wait of those who gave up', 's', ({ abandonedWait }) => abandonedWait, seconds, [
      'p50',
      'max',
    ]),
    ...spread('rating spread', '', (report) => report.spread, fixed(1)),
    ...spread('win probability of the better side', '%', ({ fairness }) => fairness, percent, [
      'mean',
      'p95',
    ]),
    ...spread('latency', 'ms', ({ latency }) => latency, fixed(0)),
    [
      'favourite role',
      ({ favouriteRole }) => (favouriteRole === undefined ? '-' : `${percent(favouriteRole)} %`),
    ],
  ];
  return {
    head: ['figure', ...results.map(({ name }) => name)],
    rows: rows
      .map(([title, cell]) => [title, ...results.map(({ report }) => cell(report))])
      .filter(([, ...cells]) => cells.some((cell) => cell !== '-')),
  };
}

type Statistic = keyof Distribution;

function spread(
  title: string,
  unit: string,
  of: (report: Report) => Distribution,
  text: (value: number) => string,
  which: Statistic[] = ['p50', 'p95', 'p99', 'max'],
): [string, (report: Report) => string][] {
  return which.map((statistic) => [
    `${title}, ${statistic}`,
    (report) => (of(report).count === 0 ? '-' : `${text(of(report)[statistic])}${unit && ` ${unit}`}`),
  ]);
}

export function partyTable(results: readonly Result[]): Table {
  return {
    head: ['party', 'matchmaker', 'tickets', 'matched', 'gave up', 'waiting', 'wait p50 (s)', 'wait p95 (s)'],
    rows: results.flatMap(({ name, report }) =>
      report.parties.map(({ size, tickets, matched, abandoned, waiting, wait }) => [
        ...[`of ${size}`, name, tickets, matched, abandoned, waiting],
        ...[seconds(wait.p50), seconds(wait.p95)],
      ]),
    ),
  };
}

export function sizeTable(results: readonly Result[]): Table {
  return {
    head: ['players in a match', 'matchmaker', 'matches', 'that joined a running match'],
    rows: results.flatMap(({ name, report }) =>
      report.matchSizes.map(({ players, matches, backfills }) => [String(players), name, matches, backfills]),
    ),
  };
}

export const seconds = (ms: number) => (ms / 1000).toFixed(1);
const percent = (part: number) => (part * 100).toFixed(1);
const fixed = (digits: number) => (value: number) => value.toFixed(digits);
const whole = (value: number) => value.toLocaleString('en');
const share = (part: number, all: number) => `${whole(part)} (${all === 0 ? '0.0' : percent(part / all)} %)`;
