import type { Match, Matchmaker, Ticket } from '@baton/functions';

/** Whoever comes plays the one waiting longest. */
export const inOrder: Matchmaker = {
  match(waiting) {
    const matches: Match[] = [];
    for (let n = 0; n + 1 < waiting.length; n += 2)
      matches.push({ teams: [[waiting[n]!], [waiting[n + 1]!]], region: 'eu' });
    return matches;
  },
};

/** Neighbours by rating, as near as the time they have waited says. */
export const bySkill: Matchmaker = {
  match(waiting, now) {
    const mu = ({ players }: Ticket) => players[0]!.rating?.mu ?? 25;
    const sorted = [...waiting].sort((a, b) => mu(a) - mu(b));
    const matches: Match[] = [];
    for (let n = 0; n + 1 < sorted.length; n++) {
      const [a, b] = [sorted[n]!, sorted[n + 1]!];
      const window = 1 + (now - Math.min(a.createdAt, b.createdAt)) / 2000;
      if (mu(b) - mu(a) > window) continue;
      matches.push({ teams: [[a], [b]] });
      n++;
    }
    return matches;
  },
};

export const never: Matchmaker = { match: () => [] };
