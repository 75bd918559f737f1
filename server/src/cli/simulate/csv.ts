import type { Search } from '@baton/functions/simulate';
import type { Result } from './result.ts';

const HEAD = [
  ...['matchmaker', 'ticket', 'player', 'rating', 'party', 'arrived', 'outcome', 'waited'],
  ...['match', 'players', 'region', 'latency', 'role', 'spread', 'fairness'],
];

/** One line for each player of each ticket; times in seconds, latencies in milliseconds. */
export function csvOf(results: readonly Result[]): string {
  const lines = results.flatMap(({ name, searches }) => searches.flatMap((search) => rowsOf(name, search)));
  return `${[HEAD, ...lines].map((cells) => cells.map(cell).join(',')).join('\n')}\n`;
}

function rowsOf(
  name: string,
  { ticket, outcome, endedAt, match }: Search,
): (string | number | undefined)[][] {
  const region = match?.match.region;
  return ticket.players.map(({ id, rating, latency }) => [
    ...[name, ticket.id, id, rating?.mu, ticket.players.length, ticket.createdAt / 1000, outcome],
    (endedAt - ticket.createdAt) / 1000,
    ...[match?.number, match?.teams.flat().length, region, region && latency?.[region]],
    ...[match?.match.roles?.[id], match?.spread, match?.fairness],
  ]);
}

function cell(value: string | number | undefined): string {
  const text = typeof value === 'number' ? String(Math.round(value * 1e5) / 1e5) : (value ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
