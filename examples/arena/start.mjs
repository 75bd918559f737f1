#!/usr/bin/env node
// What `npm start` runs: builds the pages, starts the studio's matchmaking function and the service, prints the URLs.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const READY_MS = 60_000;
const STOP_MS = 15_000;
const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const signingSecret = `whsec_${randomBytes(32).toString('base64')}`;
const children = new Set();
let stopping = false;

class Refused extends Error {}

function start(name, args, options) {
  // In a group of its own: Ctrl-C reaches this process only, which then stops the others in order.
  const child = spawn(process.execPath, args, { cwd: at('.'), detached: true, ...options });
  children.add(child);
  child.gone = new Promise((resolve) => {
    child.once('error', (error) => resolve(`${name} did not start: ${error.message}`));
    child.once('exit', (code, signal) => resolve(`${name} ended (${signal ?? `code ${code}`})`));
  }).then((why) => {
    children.delete(child);
    return why;
  });
  return child;
}

/** The process and those it started. */
function killGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended by itself meanwhile.
  }
}

async function stop(child) {
  if (!children.has(child)) return;
  child.kill('SIGTERM');
  const done = new AbortController();
  const late = pause(STOP_MS, 'late', { signal: done.signal }).catch(() => undefined);
  if ((await Promise.race([child.gone, late])) === 'late') killGroup(child);
  done.abort();
  await child.gone;
}

function readPort() {
  const port = Number(process.env.PORT ?? 2567);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new Refused(`PORT=${process.env.PORT} is not a port number between 1 and 65535.`);
}

function requireFree(port) {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', ({ code }) => {
      const next = port < 65_535 ? port + 1 : port - 1;
      if (code === 'EADDRINUSE') {
        reject(
          new Refused(
            `Port ${port} is already in use. Stop the other server, or run: PORT=${next} npm start`,
          ),
        );
      } else
        reject(new Refused(`Port ${port} cannot be used (${code}). Choose another: PORT=2567 npm start`));
    });
    probe.listen(port, () => probe.close(resolve));
  });
}

/** Starts the function server on a free port and resolves with the port it says it has. */
async function startFunctions() {
  const child = start(
    'The matchmaking function',
    ['-C', 'baton-source', '--import', 'tsx', at('./matchmaker.ts')],
    {
      env: {
        ...process.env,
        DUEL_FUNCTIONS_PORT: process.env.DUEL_FUNCTIONS_PORT ?? '0',
        DUEL_FUNCTIONS_OWNED: '1',
        DUEL_SIGNING_SECRET: signingSecret,
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const said = new Promise((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const port = /:(\d+)\/$/.exec(line)?.[1];
      if (port) resolve({ child, port });
    });
  });
  const first = await Promise.race([
    said,
    child.gone,
    pause(READY_MS, 'The matchmaking function is silent', { ref: false }),
  ]);
  if (typeof first === 'string') throw new Refused(first);
  return first;
}

/** What the service wrote about itself once it answers; undefined while it does not. */
async function answering(runtimeDir, startedAt) {
  try {
    const service = JSON.parse(await readFile(join(runtimeDir, 'service.json'), 'utf8'));
    if (new Date(service.startedAt) < startedAt) return undefined;
    const { ok } = await fetch(`http://127.0.0.1:${service.port}/healthz`, {
      signal: AbortSignal.timeout(2_000),
    });
    return ok ? service : undefined;
  } catch {
    return undefined;
  }
}

async function ready(service, runtimeDir, startedAt) {
  const until = Date.now() + READY_MS;
  while (Date.now() < until) {
    const found = await answering(runtimeDir, startedAt);
    if (found) return found;
    const why = await Promise.race([service.gone, pause(100)]);
    if (why) throw new Refused(why);
  }
  throw new Refused(`The service did not answer within ${READY_MS / 1000} s.`);
}

async function main() {
  const port = readPort();
  await requireFree(port);
  const [{ buildPages }, { buildDashboard }] = await Promise.all([
    import('./build.mjs'),
    import('../../dashboard/build.mjs'),
  ]);
  const dashboard = buildDashboard().catch(({ message }) =>
    console.error(`The dashboard was not built: ${message}`),
  );
  const [functions] = await Promise.all([startFunctions(), buildPages(), dashboard]);

  const startedAt = Date.now();
  const runtimeDir = join(process.env.XDG_RUNTIME_DIR ?? tmpdir(), `baton-${userInfo().uid}`, String(port));
  const service = start(
    'The service',
    [
      at('../../server/bin/baton.mjs'),
      'start',
      at('./app.config.ts'),
      ...['--mappings', at('./baton.config.ts'), '--plain'],
      ...['--hosts', process.env.HOSTS ?? '2', '--port', String(port), '--runtime-dir', runtimeDir],
      ...process.argv.slice(2),
    ],
    {
      env: { ...process.env, DUEL_FUNCTIONS_PORT: functions.port, DUEL_SIGNING_SECRET: signingSecret },
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );

  const stopAll = async (code) => {
    if (stopping) return;
    stopping = true;
    await stop(service);
    await stop(functions.child);
    process.exit(code);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // The second time: the service then ends its hosts at once. Killed itself, it would leave them behind.
      if (stopping) for (const child of children) child.kill('SIGTERM');
      void stopAll(0);
    });
  }

  const { token } = await ready(service, runtimeDir, startedAt);
  print(port, token);
  const why = await Promise.race([service.gone, functions.child.gone]);
  if (stopping) return;
  console.error(`${why}. Stopping.`);
  await stopAll(1);
}

function print(port, token) {
  const bold = (text) => (process.stdout.isTTY ? `\x1b[1m${text}\x1b[0m` : text);
  const fragment = token ? `#token=${encodeURIComponent(token)}` : '';
  console.log(`
  ${bold('Arena')}  http://localhost:${port}/${fragment}
  ${bold('Duel')}   http://localhost:${port}/duel${fragment}
  ${bold('Dashboard')}  http://localhost:${port}/dashboard/${fragment}

  Play, then press “Move this room”, “Drain this host” or “Reload” in the page. Ctrl-C stops everything.
`);
}

main().catch(async (error) => {
  console.error(error instanceof Refused ? error.message : error);
  stopping = true;
  await Promise.all([...children].map(stop));
  process.exit(1);
});
