// The runner's process: started by the supervisor when the first host asks for it, it outlives hosts and their reloads.
import fs from 'node:fs';
import { z } from 'zod';
import { asBatonError } from '../errors.ts';
import { openStore } from '../store/index.ts';
import { createLog, tolerateBrokenPipes } from '../telemetry/index.ts';
import { isolatesDir, runnerSocket } from './protocol.ts';
import { Runner } from './runner.ts';
import { secretsKey } from './secrets.ts';
import { serve } from './server.ts';
import { runnerSettings } from './settings.ts';

/** A runner whose supervisor is gone ends with the last of its hosts. */
const ORPHAN_CHECK_MS = 5_000;
/** What its functions have to end. */
const END_MS = 8_000;

// sockets, its own and those of the functions
process.umask(0o077);
tolerateBrokenPipes();
const log = createLog({ name: 'functions' });
process.on('unhandledRejection', (error) => log.error({ err: error }, 'unhandled rejection'));

const { BATON_FUNCTIONS, BATON_SECRETS_KEY } = process.env;
// what it starts has no business with these
delete process.env['BATON_FUNCTIONS'];
delete process.env['BATON_SECRETS_KEY'];

try {
  const settings = runnerSettings.parse(JSON.parse(BATON_FUNCTIONS ?? ''));
  const store = await openStore({ ...settings.store, log });
  const runner = await Runner.start({
    store,
    dir: isolatesDir(settings.runtimeDir),
    ranges: settings.allowEndpoints,
    secretsKey: () => secretsKey(BATON_SECRETS_KEY),
    log,
  });
  const hosts = new Set<number>();
  const server = serve(runner, log, (pid) => {
    if (Number.isInteger(pid) && pid > 0) hosts.add(pid);
  });
  const socket = runnerSocket(settings.runtimeDir);
  fs.rmSync(socket, { force: true });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(socket, resolve));
  log.info('functions can be run');

  let ending = false;
  const end = async () => {
    if (ending) return;
    ending = true;
    setTimeout(() => process.exit(1), END_MS).unref();
    server.close();
    await runner.end();
    fs.rmSync(socket, { force: true });
    await store.close().catch(() => {});
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, end);
  process.on('disconnect', () => {
    const look = () => {
      for (const pid of hosts) if (!isAlive(pid)) hosts.delete(pid);
      if (hosts.size === 0) void end();
    };
    look();
    setInterval(look, ORPHAN_CHECK_MS);
  });
} catch (error) {
  const failure = error instanceof z.ZodError ? error : asBatonError(error);
  log.error({ err: error }, failure.message);
  process.exitCode = 1;
  setTimeout(() => process.exit(1), 200);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
