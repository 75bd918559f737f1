import type { ArenaState } from '../room/state.ts';
import { element } from './dom.ts';
import { colorOf } from './palette.ts';

const narrow = matchMedia('(max-width: 620px), (max-height: 480px)');

/** The best players, and the player himself when he is not among them. */
export function showStandings(state: ArenaState, me: string): void {
  const all = [...state.players].map(([id, player]) => ({ id, player, score: state.scores.get(id) ?? 0 }));
  all.sort((a, b) => b.score - a.score);
  const places = narrow.matches ? 4 : 6;
  const rows = all.slice(0, places);
  const mine = all.find(({ id }) => id === me);
  if (mine && !rows.includes(mine)) rows[places - 1] = mine;
  element('board').replaceChildren(
    ...rows.map(({ id, player, score }) => {
      const row = document.createElement('li');
      row.classList.toggle('me', id === me);
      const dot = document.createElement('i');
      dot.style.background = colorOf(player.color);
      const name = document.createElement('span');
      name.textContent = player.name;
      row.append(dot, name, String(score));
      return row;
    }),
  );
}

export function showKill(state: ArenaState, by: string, id: string): void {
  const killer = state.players.get(by);
  const killed = state.players.get(id);
  if (!killer || !killed) return;
  const line = document.createElement('li');
  for (const [index, { name, color }] of [killer, killed].entries()) {
    const who = document.createElement('b');
    who.textContent = name;
    who.style.color = colorOf(color);
    line.append(who, index === 0 ? ' got ' : '');
  }
  const feed = element('feed');
  feed.prepend(line);
  while (feed.children.length > 5) feed.lastElementChild!.remove();
  setTimeout(() => line.remove(), 5_000);
}
