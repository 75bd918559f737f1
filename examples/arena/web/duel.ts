// The duel's page: two players whom the studio's function linked. Every message of the game goes from one page to the
// other through their hosted sockets.

import { withToken } from './control-api.ts';
import { element, setText, toast } from './dom.ts';
import { DuelLink } from './duel-link.ts';
import { hostBar, ms } from './host-bar.ts';
import { Pong } from './pong.ts';
import { Table } from './table.ts';

type Phase = 'connecting' | 'waiting' | 'linked' | 'over' | 'ended';

const canvas = element<HTMLCanvasElement>('game');
const table = new Table(canvas);
const pong = new Pong((...said) => link.say(...said));
const held = new Set<string>();
let phase: Phase = 'connecting';
let link = newLink();
let disconnects = 0;
let toldPaddle = 0;

const bar = hostBar(() => table.flash(performance.now()));
element<HTMLAnchorElement>('other').href = withToken('./', bar.token);
element<HTMLAnchorElement>('second').href = withToken('duel.html', bar.token);
element<HTMLAnchorElement>('computer').href = withToken('duel.html?auto', bar.token);

function newLink(): DuelLink {
  const made: DuelLink = new DuelLink({
    waiting: () => show('waiting'),
    ready: (peer) => {
      setText(element('peer'), peer);
      // Both pages know both ids, so they agree on who serves first.
      pong.begin(made.socketId! < peer);
      show('linked');
    },
    said: (...said) => {
      pong.hear(...said);
      show(pong.over ? 'over' : 'linked');
    },
    ended: (why, detail) => {
      show('ended');
      setText(element('title'), why === 'peer-left' ? 'Your opponent has left' : 'The socket was closed');
      setText(element('detail'), detail ?? '');
    },
    dropped: () => {
      const note = toast('Connection lost, reconnecting…');
      note.failed('Connection lost, reconnecting…');
    },
    reconnected: () => toast('').done('Connected again'),
  });
  return made;
}

async function open(): Promise<void> {
  disconnects += link.disconnects;
  link.close();
  link = newLink();
  show('connecting');
  try {
    // A fresh player for every page, so that two tabs are two players.
    await link.open(`player-${crypto.randomUUID().slice(0, 8)}`);
    setText(element('mine'), link.socketId!);
    bar.watch(link.socketId!);
  } catch (error) {
    show('ended');
    setText(element('title'), 'No socket');
    setText(element('detail'), error instanceof Error ? error.message : String(error));
  }
}

function show(next: Phase): void {
  if (next === phase && next !== 'connecting') return;
  phase = next;
  const titles: Record<Phase, string> = {
    connecting: 'Connecting…',
    waiting: 'Waiting for an opponent',
    linked: '',
    over: pong.score.mine > pong.score.theirs ? 'You win' : 'You lose',
    ended: 'The duel has ended',
  };
  const details: Record<Phase, string> = {
    connecting: '',
    waiting: 'The matchmaking function links your socket with the next player who opens one.',
    linked: '',
    over: `${pong.score.mine} to ${pong.score.theirs}`,
    ended: '',
  };
  element('overlay').hidden = phase === 'linked';
  element('choices').hidden = phase !== 'waiting';
  element('again').hidden = phase !== 'over' && phase !== 'ended';
  setText(element('title'), titles[phase]);
  setText(element('detail'), details[phase]);
  setText(element('again'), phase === 'over' ? 'Play again' : 'Find an opponent');
  if (phase !== 'linked' && phase !== 'over') setText(element('peer'), '–');
}

function again(): void {
  if (phase === 'over') {
    pong.again();
    show('linked');
  } else if (phase === 'ended') void open();
}

function steer(): void {
  const up = held.has('KeyW') || held.has('ArrowUp');
  const down = held.has('KeyS') || held.has('ArrowDown');
  if (up !== down) pong.goal = pong.paddle + (up ? -60 : 60);
  else if (up || down) pong.goal = pong.paddle;
}

function setAutopilot(on: boolean): void {
  pong.autopilot = on;
  element('auto').setAttribute('aria-pressed', String(on));
  if (!on) pong.goal = undefined;
}

let simulatedAt = performance.now();
function simulate(): void {
  const now = performance.now();
  const passed = Math.min((now - simulatedAt) / 1000, 0.5);
  simulatedAt = now;
  if (phase !== 'linked') return;
  steer();
  // Short steps: a fast ball must not jump over a paddle.
  for (let left = passed; left > 0; left -= 1 / 120) pong.advance(Math.min(left, 1 / 120));
  if (pong.over) show('over');
}

function tellPaddle(): void {
  if (phase !== 'linked' || Math.abs(pong.paddle - toldPaddle) < 0.5) return;
  toldPaddle = pong.paddle;
  link.say('paddle', Math.round(pong.paddle * 10) / 10);
}

function showFigures(): void {
  const lost = link.incoming.lost + link.incoming.duplicated + link.incoming.reordered;
  const broken = disconnects + link.disconnects;
  setText(element('trip'), link.roundTrip === undefined ? '–' : ms(link.roundTrip));
  setText(element('lost'), String(lost));
  element('lost').className = lost === 0 ? 'zero' : 'bad';
  setText(element('disconnects'), String(broken));
  element('disconnects').className = broken === 0 ? 'zero' : 'bad';
}

/** A clock that a hidden tab does not slow down: the game goes on while the other tab is in front. */
function everyFrame(work: () => void): void {
  const source = 'setInterval(() => postMessage(0), 1000 / 60)';
  const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
  worker.onmessage = work;
}

let drawnAt = performance.now();
function frame(now: number): void {
  table.draw(pong, now, Math.min((now - drawnAt) / 1000, 0.1));
  drawnAt = now;
  requestAnimationFrame(frame);
}

let ticks = 0;
everyFrame(() => {
  simulate();
  if (++ticks % 2 === 0) tellPaddle();
});
setInterval(() => link.measure(), 1_000);
setInterval(showFigures, 250);
requestAnimationFrame(frame);

canvas.addEventListener('pointermove', (event) => {
  if (!pong.autopilot) pong.goal = table.toTable(event.offsetY);
});
canvas.addEventListener('pointerdown', (event) => {
  canvas.setPointerCapture(event.pointerId);
  if (!pong.autopilot) pong.goal = table.toTable(event.offsetY);
});
addEventListener('keydown', ({ code }) => held.add(code));
addEventListener('keyup', ({ code }) => {
  held.delete(code);
  if (!pong.autopilot && held.size === 0) pong.goal = pong.paddle;
});
addEventListener('blur', () => held.clear());
addEventListener('pagehide', () => link.close());
element('auto').addEventListener('click', () => setAutopilot(!pong.autopilot));
element('again').addEventListener('click', again);
setTimeout(() => (element('hint').style.opacity = '0'), 12_000);

setAutopilot(new URLSearchParams(location.search).has('auto'));
void open();

/** What automated tests look at. */
Object.defineProperty(window, '__duel', {
  value: {
    get phase() {
      return phase;
    },
    get socketId() {
      return link.socketId;
    },
    get peer() {
      return link.peer;
    },
    get score() {
      return { ...pong.score };
    },
    get rally() {
      return pong.rally;
    },
    get sent() {
      return link.sent;
    },
    get incoming() {
      return { ...link.incoming };
    },
    get roundTripMs() {
      return link.roundTrip;
    },
    get disconnects() {
      return disconnects + link.disconnects;
    },
    get host() {
      return bar.host;
    },
    get moves() {
      return bar.moves;
    },
  },
});
