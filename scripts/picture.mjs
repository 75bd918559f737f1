// `npm run picture`: docs/duel.gif, recorded from the real thing. The example runs, two players on autopilot duel in
// Chromium, and below them the commands are given that a person would give; what they print is what the service answered.
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import gifenc from 'gifenc';
import { chromium } from 'playwright-core';
import { PNG } from 'pngjs';
import { findProgram } from '../test/programs.mjs';

const { GIFEncoder, quantize, applyPalette } = gifenc;
const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const SIZE = { width: 900, height: 430 };
/** Milliseconds between two frames of the picture. */
const BEAT = 120;
const MOST_BYTES = 1.5 * 1024 * 1024;

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The example as `npm start` runs it. */
async function startExample(port, runtime) {
  const env = { ...process.env, PORT: String(port), XDG_RUNTIME_DIR: runtime };
  const child = spawn(process.execPath, [at('../examples/arena/start.mjs')], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const duel = /Duel {2}.*?(http\S+)/.exec(line)?.[1];
    if (!duel) continue;
    child.stdout.resume();
    return { duel, env, stop: () => stopped(child) };
  }
  throw new Error('the example did not start');
}

function stopped(child) {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  return ended;
}

/** Two players side by side, and a terminal below. */
const stage = (first, second) => `<!doctype html><meta charset="utf-8"><style>
  body { margin: 0; background: #0b0f14; display: grid; grid: 1fr 110px / 1fr 1fr; gap: 2px; height: 100vh }
  iframe { border: 0; width: 100%; height: 100% }
  pre { grid-column: 1 / 3; margin: 0; padding: 9px 14px; font: 13px/18px monospace; color: #c9d6e2; overflow: hidden }
</style><iframe src="${first}"></iframe><iframe src="${second}"></iframe><pre></pre>`;

const terminal = (page, text) =>
  page.evaluate((shown) => {
    document.querySelector('pre').textContent = shown;
  }, text);

/** Types a command, gives it, and shows what it printed. */
async function command(page, before, args, env) {
  const line = `$ npx baton ${args.join(' ')}`;
  for (let typed = 2; typed <= line.length; typed += 2) {
    await terminal(page, `${before}${line.slice(0, typed)}█`);
    await pause(60);
  }
  await terminal(page, `${before}${line}\n█`);
  const baton = [at('../server/bin/baton.mjs'), ...args];
  const { stdout } = await promisify(execFile)(process.execPath, baton, { env });
  const shown = `${before}${line}\n${stdout.trim()}\n`;
  await terminal(page, `${shown}$ █`);
  return shown;
}

/** Keeps the frames of a page while `work` is done: what it looked like, and when. */
async function recorded(page, work) {
  const frames = [];
  const devtools = await page.context().newCDPSession(page);
  devtools.on('Page.screencastFrame', ({ data, metadata, sessionId }) => {
    frames.push({ png: Buffer.from(data, 'base64'), at: metadata.timestamp * 1000 });
    void devtools.send('Page.screencastFrameAck', { sessionId });
  });
  await devtools.send('Page.startScreencast', { format: 'png', everyNthFrame: 1 });
  await work();
  await devtools.send('Page.stopScreencast');
  return frames;
}

/** The latest frame at each beat. */
function onBeat(frames) {
  const chosen = [];
  for (let time = frames[0].at, i = 0; time <= frames.at(-1).at; time += BEAT) {
    while (i + 1 < frames.length && frames[i + 1].at <= time) i++;
    chosen.push(frames[i]);
  }
  return chosen.map(({ png }) => PNG.sync.read(png));
}

/** One palette for all; what has not changed since the frame before is left transparent. */
function encode(images) {
  const { width, height } = images[0];
  const sample = Buffer.concat(
    images.filter((_, i) => i % Math.ceil(images.length / 6) === 0).map(({ data }) => data),
  );
  const palette = [...quantize(sample, 127), [0, 0, 0]];
  const clear = palette.length - 1;
  const gif = GIFEncoder();
  let before;
  for (const { data } of images) {
    const indexed = applyPalette(data, palette.slice(0, -1));
    const changed = before ? indexed.map((color, i) => (color === before[i] ? clear : color)) : indexed;
    before = indexed;
    gif.writeFrame(changed, width, height, {
      palette: changed === indexed ? palette : undefined,
      delay: BEAT,
      transparent: changed !== indexed,
      transparentIndex: clear,
      dispose: 1,
    });
  }
  gif.finish();
  return gif.bytes();
}

const runtime = mkdtempSync(join(tmpdir(), 'baton-picture-'));
const example = await startExample(await freePort(), runtime);
let browser;
try {
  browser = await chromium.launch({
    executablePath: findProgram('chromium'),
    timeout: 60_000,
    args: ['--no-sandbox', '--headless=new', '--disable-dev-shm-usage'],
  });
  const page = await browser.newPage({ viewport: SIZE, deviceScaleFactor: 1 });
  const [address, fragment] = example.duel.split('#');
  const player = `${address}?auto#${fragment}`;
  const origin = new URL('/picture', address).href;
  await page.route(origin, (route) =>
    route.fulfill({ contentType: 'text/html', body: stage(player, player) }),
  );
  await page.goto(origin);
  const duels = page.frames().slice(1);
  // What nobody can press in a picture gives its place to the game.
  for (const duel of duels)
    await duel.addStyleTag({
      content: '.actions, #hint, #other { display: none !important } .bar { zoom: 0.82 }',
    });
  for (const duel of duels)
    await duel.waitForFunction(() => window.__duel?.phase === 'linked' && window.__duel.host);
  const seen = () => Promise.all(duels.map((duel) => duel.evaluate(() => window.__duel)));
  await terminal(page, '$ █');

  /** Until both pages show that their socket has moved once more, and a little longer. */
  const moved = async (before) => {
    const counts = before.map(({ moves }) => moves);
    await Promise.all(
      duels.map((duel, i) => duel.waitForFunction((n) => window.__duel.moves > n, counts[i])),
    );
    await pause(2_500);
  };

  const frames = await recorded(page, async () => {
    await pause(1_500);
    let before = await seen();
    const shown = await command(page, '', ['drain', before[0].host], example.env);
    await moved(before);
    before = await seen();
    await command(page, shown, ['reload'], example.env);
    await moved(before);
  });
  for (const { disconnects, incoming } of await seen()) {
    const { lost, duplicated, reordered } = incoming;
    if (disconnects + lost + duplicated + reordered > 0)
      throw new Error(`not a picture to show: ${JSON.stringify({ disconnects, incoming })}`);
  }
  const gif = encode(onBeat(frames));
  if (gif.length > MOST_BYTES) throw new Error(`${gif.length} bytes are too many for a README`);
  writeFileSync(at('../docs/duel.gif'), gif);
  console.log(`docs/duel.gif: ${frames.length} frames seen, ${Math.round(gif.length / 1024)} KiB`);
} finally {
  await browser?.close();
  await example.stop();
  rmSync(runtime, { recursive: true, force: true });
}
