// The arena's page: joins the room with the stock Colyseus SDK, plays, and shows what the player would notice of a move.

import { Client, type Room } from '@colyseus/sdk';
import type { ArenaState } from '../room/state.ts';
import { withToken } from './control-api.ts';
import { Controls } from './controls.ts';
import { element, setText } from './dom.ts';
import { GameView } from './game-view.ts';
import { hostBar, ms } from './host-bar.ts';
import { Sequence } from './sequence.ts';
import { showKill, showStandings } from './standings.ts';
import { Strip } from './strip.ts';

const controls = new Controls(element<HTMLCanvasElement>('game'));
const view = new GameView(element<HTMLCanvasElement>('game'), controls);
const strip = new Strip(element<HTMLCanvasElement>('strip'));
const counts = { drops: 0, leaves: 0, reconnects: 0, errors: 0 };
/** Numbers the room sends by itself, and the answers to numbers the page sends. */
const ticks = new Sequence();
const pongs = new Sequence();
let pingsSent = 0;
let room: Room<any, ArenaState> | undefined;
let latency = 0;
/** Whether the room's first whole state is here; before it the state has no fields. */
let synced = false;

const bar = hostBar(({ from, to, blackoutMs }) => {
  const now = performance.now();
  strip.mark(now, `${from} → ${to}${blackoutMs === undefined ? '' : `, ${ms(blackoutMs)}`}`);
  view.flash(now);
});
element<HTMLAnchorElement>('other').href = withToken('duel.html', bar.token);

async function join(): Promise<void> {
  overlay('Joining…');
  const client = new Client(`${location.protocol}//${location.host}`);
  const name = new URLSearchParams(location.search).get('name') ?? '';
  const joined: Room<any, ArenaState> = await client.joinOrCreate<ArenaState>('arena', { name });
  room = joined;
  synced = false;
  view.restart(joined.sessionId);
  strip.pause();
  ticks.restart();
  pongs.restart();
  listen(joined);
  bar.watch(joined.roomId);
}

function listen(joined: Room<any, ArenaState>): void {
  joined.onStateChange((state) => {
    const now = performance.now();
    if (!synced) overlay(undefined);
    synced = true;
    strip.patch(now);
    view.update(state, now, latency);
  });
  joined.onMessage('tick-n', (n: number) => ticks.add(n));
  joined.onMessage('pong-n', (n: number) => pongs.add(n));
  joined.onMessage('kill', ({ by, id }: { by: string; id: string }) => {
    if (synced) showKill(joined.state, by, id);
  });
  joined.onDrop(() => {
    counts.drops++;
    overlay('Connection lost, reconnecting…');
  });
  joined.onReconnect(() => {
    counts.reconnects++;
    strip.pause();
    ticks.restart();
    pongs.restart();
    overlay(undefined);
  });
  joined.onError((code, message) => {
    counts.errors++;
    console.error(`room error ${code}: ${message}`);
  });
  joined.onLeave(() => {
    counts.leaves++;
    room = undefined;
    overlay('Disconnected, joining again…');
    setTimeout(joinUntilIn, 1_000);
  });
}

async function joinUntilIn(): Promise<void> {
  try {
    await join();
  } catch (error) {
    overlay(`The arena does not answer: ${error instanceof Error ? error.message : error}`);
    setTimeout(joinUntilIn, 2_000);
  }
}

function overlay(text: string | undefined): void {
  const box = element('overlay');
  box.hidden = text === undefined;
  if (text) setText(box.firstElementChild as HTMLElement, text);
}

/** What the room was last told, so that only changes are sent. */
const told = { x: 0, y: 0, angle: 0, fire: false };

function tell(): void {
  if (!room?.connection.isOpen) return;
  const { x, y, angle, fire } = controls.wish;
  if (x !== told.x || y !== told.y || Math.abs(angle - told.angle) > 0.01) room.send('move', [x, y, angle]);
  if (fire !== told.fire) room.send('shoot', fire);
  Object.assign(told, { x, y, angle, fire });
}

function measure(): void {
  if (!room?.connection.isOpen) return;
  room.ping((roundTrip) => {
    latency = roundTrip;
  });
}

function showFigures(): void {
  const disconnects = counts.drops + counts.leaves;
  setText(element('disconnects'), String(disconnects));
  element('disconnects').className = disconnects === 0 ? 'zero' : 'bad';
  element('disconnects-cell').title =
    `${counts.drops} dropped, ${counts.leaves} left, ${counts.reconnects} reconnected, ${counts.errors} errors`;
  setText(element('gap'), strip.longest ? `${Math.round(strip.longest)} ms` : '–');
  setText(element('latency'), `${latency} ms`);
  if (room && synced) showStandings(room.state, room.sessionId);
}

let frames = 0;
let drawnAt = performance.now();
function frame(now: number): void {
  frames++;
  view.draw(now, Math.min((now - drawnAt) / 1000, 0.25));
  drawnAt = now;
  if (frames % 3 === 0) strip.draw(now);
  if (controls.used) element('hint').style.opacity = '0';
  requestAnimationFrame(frame);
}

setInterval(tell, 1000 / 30);
setInterval(() => room?.connection.isOpen && room.send('ping-n', ++pingsSent), 100);
setInterval(measure, 1_000);
setInterval(showFigures, 250);
setInterval(() => {
  setText(element('fps'), String(frames));
  frames = 0;
}, 1_000);
element('gap').addEventListener('click', () => strip.reset());
requestAnimationFrame(frame);
void joinUntilIn();

/** What automated tests look at. */
Object.defineProperty(window, '__arena', {
  value: {
    get roomId() {
      return room?.roomId;
    },
    get sessionId() {
      return room?.sessionId;
    },
    get state() {
      return room?.state.toJSON();
    },
    get host() {
      return bar.host;
    },
    get moves() {
      return bar.moves;
    },
    get disconnects() {
      return counts.drops + counts.leaves;
    },
    get reconnects() {
      return counts.reconnects;
    },
    get errors() {
      return counts.errors;
    },
    get patches() {
      return strip.patches;
    },
    get longestGapMs() {
      return strip.longest;
    },
    get latencyMs() {
      return latency;
    },
    get ticks() {
      return { ...ticks };
    },
    get pongs() {
      return { ...pongs, sent: pingsSent };
    },
  },
});
