import type { Player } from '../match/types.ts';

/** How many players of a team play each role. */
export type Roles = Readonly<Record<string, number>>;

/**
 * Gives each player a role that he is willing to play, and none more often than a team needs it; whoever names no roles
 * plays anything. Players who come first get what they like best, as far as that leaves something for all.
 * @returns roles by players' ids, or undefined when it cannot be done
 */
export function assignRoles(players: readonly Player[], roles: Roles): Record<string, string> | undefined {
  const slots = Object.entries(roles).flatMap(([role, count]) => Array<string>(count).fill(role));
  const holders = new Map<number, Player>();
  // Augmenting paths: who holds a slot takes another one when there is one for him.
  const place = (player: Player, seen: Set<number>): boolean => {
    for (const role of player.roles ?? Object.keys(roles)) {
      for (let slot = 0; slot < slots.length; slot++) {
        if (slots[slot] !== role || seen.has(slot)) continue;
        seen.add(slot);
        const holder = holders.get(slot);
        if (holder && !place(holder, seen)) continue;
        holders.set(slot, player);
        return true;
      }
    }
    return false;
  };
  if (!players.every((player) => place(player, new Set()))) return undefined;
  return Object.fromEntries([...holders].map(([slot, { id }]) => [id, slots[slot]!]));
}
