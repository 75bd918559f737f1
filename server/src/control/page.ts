// Long lists come in pages. The cursor says where to go on, and only the service reads it.
import { z } from 'zod';
import { invalidRequest } from '../errors.ts';

export const MAX_PAGE = 1_000;
export const PAGE = 100;

/** Query of a list: how many, and after which. */
export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(PAGE),
  after: z.string().min(1).max(1_024).optional().meta({ description: '`next` of the page before' }),
});

/** Field of an answer that is a page. */
export const nextCursor = z.string().optional().meta({
  description: '`after` of the next page; absent on the last one',
});

/** @throws BATON_INVALID_REQUEST for what `cursorOf` did not make */
export function placeIn(cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const place = Buffer.from(cursor, 'base64url').toString('utf8');
  if (cursorOf(place) !== cursor)
    throw invalidRequest({ reason: 'after: not the `next` of a page', field: 'after' });
  return place;
}

export const cursorOf = (place: string): string => Buffer.from(place, 'utf8').toString('base64url');

/** One page of a list that is all here, in the order of its ids. */
export function pageOf<T>(
  items: T[],
  idOf: (item: T) => string,
  { limit, after }: { limit: number; after?: string },
): { items: T[]; next?: string } {
  const place = placeIn(after);
  const sorted = items.filter((item) => place === undefined || idOf(item) > place);
  sorted.sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
  const page = sorted.slice(0, limit);
  return sorted.length > limit ? { items: page, next: cursorOf(idOf(page.at(-1)!)) } : { items: page };
}

/** One page of a list of numbered entries, the newest first. @param newest only those below `before` */
export async function pageBelow<T extends { number: number }>(
  { limit, after }: { limit: number; after?: string | undefined },
  newest: (count: number, before: number | undefined) => Promise<T[]>,
): Promise<{ found: T[]; next?: string }> {
  const place = placeIn(after);
  const found = await newest(limit, place === undefined ? undefined : Number(place));
  const last = found.at(-1)?.number ?? 1;
  return last > 1 ? { found, next: cursorOf(String(last)) } : { found };
}
