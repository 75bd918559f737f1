import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findApp, findService, Supervisor } from '../../supervisor/index.ts';
import { type ServiceChoice, ServiceClient } from '../service-client.ts';

export interface OpenService {
  client: ServiceClient;
  /** Ends the service when it was started here. */
  close(): Promise<void>;
}

export interface OwnService {
  app?: string;
  hosts: number;
}

/**
 * The service that was asked for, else one that runs on this machine, else an own one. With an app it is
 * always an own one.
 * @param socketsOnly an own service needs no rooms
 * @param signal calls its start off
 * @throws noService, unauthorized, or what keeps the own service from starting
 */
export async function openService(
  choice: ServiceChoice,
  own: OwnService,
  socketsOnly: boolean,
  signal: AbortSignal,
): Promise<OpenService> {
  const named = choice.url ?? process.env['BATON_URL'] ?? choice.port ?? choice.runtimeDir;
  if (named !== undefined || (own.app === undefined && (await findService()) !== undefined)) {
    return { client: await ServiceClient.find(choice), close: async () => {} };
  }
  const runtimeDir = await mkdtemp(join(tmpdir(), 'baton-bots-'));
  let supervisor: Supervisor | undefined;
  const close = async () => {
    // Hosts outlive their supervisor, so nothing but this ends them.
    await supervisor?.kill();
    await rm(runtimeDir, { recursive: true, force: true });
  };
  try {
    supervisor = await Supervisor.start(
      {
        app: own.app === undefined && socketsOnly ? emptyApp : appFile(own.app),
        hosts: own.hosts,
        port: 0,
        host: '127.0.0.1',
        runtimeDir,
        onLine: ({ label, stream, text }) =>
          stream === 'stderr' && process.stderr.write(`${label} ${text}\n`),
      },
      signal,
    );
    return { client: new ServiceClient(supervisor.url, supervisor.token), close };
  } catch (error) {
    await close();
    throw error;
  }
}

const emptyApp = fileURLToPath(new URL(`./empty-app${extname(import.meta.url)}`, import.meta.url));

/** The given app, the one of this folder, or the arena that comes with a checkout. */
function appFile(given: string | undefined): string {
  const arena = fileURLToPath(new URL('../../../../examples/arena/app.config.ts', import.meta.url));
  try {
    return findApp(given);
  } catch (error) {
    if (given === undefined && existsSync(arena)) return arena;
    throw error;
  }
}
