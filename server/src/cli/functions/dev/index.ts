import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { BatonError, invalidOption } from '../../../errors.ts';
import { findApp, findService, handleSignals, Supervisor } from '../../../supervisor/index.ts';
import { examples } from '../../operate.ts';
import { type TenantOptions, withTenantOptions } from '../../options.ts';
import { ServiceClient } from '../../service-client.ts';
import { Front } from './front.ts';
import { Runner } from './runner.ts';
import { functionFiles, watch } from './watch.ts';

interface DevOptions extends TenantOptions {
  app?: string;
}

/** `baton function dev`. */
export function registerDev(group: Command): void {
  withTenantOptions(
    group
      .command('dev <path>')
      .description('run function files on this machine, anew after each change, and map them to a service'),
  )
    .option('--app <file>', 'starts an own service with this app; default: without rooms')
    .addHelpText(
      'after',
      `${examples('baton function dev src/duel.ts', 'baton function dev functions/ --app src/app.config.ts')}

<path> is a file, or a folder whose .ts and .js files are one function each; its default export is defineFunctions(...).
Each gets a mapping of its name, in the service that runs on this machine, or in one that is started for it.
In their environment are BATON_URL and BATON_KEY, for requests to that service.`,
    )
    .action(dev);
}

async function dev(given: string, options: DevOptions): Promise<void> {
  const files = functionFiles(given);
  const say = (name: string, text: string) => {
    for (const line of text.trimEnd().split('\n')) process.stdout.write(`${name} | ${line}\n`);
  };
  const stopping = new AbortController();
  const ended = new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve()));
  const release = handleSignals({
    stop: () => stopping.abort(),
    kill: () => process.exit(130),
    reload: () => {},
  });
  const cleaning: (() => Promise<unknown>)[] = [async () => release()];
  try {
    const service = await openService(options, stopping.signal, (close) => cleaning.push(close));
    const front = new Front(say);
    await front.listen();
    cleaning.push(() => front.close());
    const env = { BATON_URL: service.url, BATON_KEY: service.key };
    for (const file of files) {
      const name = path.basename(file).replace(/\.[^.]*$/, '');
      const runner = new Runner({ name, file, env, say: (text) => say(name, text) });
      cleaning.push(() => runner.stop());
      front.add(runner);
      const ran = new Promise<void>((resolve) => {
        let last: Promise<void> = Promise.resolve();
        const watching = watch(file, (problems) => {
          last = last.then(() => runner.changed(problems)).then(resolve);
        });
        cleaning.push(async () => (await watching)());
      });
      await Promise.race([ran, ended]);
      const remove = await map(service.client, options, name, front.url(name));
      if (remove) cleaning.push(remove);
      say(
        name,
        remove
          ? next(service.url, name)
          : `mapping ${name} is there already: let its url be ${front.url(name)}`,
      );
    }
    await ended;
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
  } finally {
    for (const clean of cleaning.reverse()) await clean();
  }
}

const next = (url: string, name: string) =>
  `open sockets: new WebSocket('${url.replace(/^http/, 'ws')}/v1/socket/${name}?token=ann'); stop with Ctrl-C`;

/** @returns takes it off again; undefined when there is such a mapping, which stays as it is */
async function map(
  client: ServiceClient,
  { tenant }: DevOptions,
  name: string,
  url: string,
): Promise<(() => Promise<unknown>) | undefined> {
  const path = `/v1/mappings/${encodeURIComponent(name)}`;
  try {
    await client.ask({ method: 'GET', path, tenant });
    return undefined;
  } catch (error) {
    if (!(error instanceof BatonError) || error.code !== 'BATON_MAPPING_NOT_FOUND') throw error;
  }
  const endpoint = { url };
  const calls = { open: endpoint, close: endpoint, linked: endpoint, unlinked: endpoint, receive: endpoint };
  await client.ask({ method: 'PUT', path, tenant, body: { ...calls, forward: 'both' } });
  // the service may be gone before
  return () => client.ask({ method: 'DELETE', path, tenant }).catch(() => {});
}

interface Opened {
  client: ServiceClient;
  url: string;
  key: string;
}

/** The service that was named or runs here, else an own one that ends with this command. */
async function openService(
  options: DevOptions,
  signal: AbortSignal,
  atEnd: (close: () => Promise<void>) => void,
): Promise<Opened> {
  const named = options.url ?? options.port ?? options.runtimeDir;
  if (options.app !== undefined && named !== undefined)
    throw invalidOption({ option: '--app', reason: 'it starts an own service, and another one is named' });
  if (named !== undefined || (options.app === undefined && (await findService()) !== undefined)) {
    const client = await ServiceClient.find(options);
    return { client, url: client.url, key: client.token };
  }
  const runtimeDir = await mkdtemp(path.join(tmpdir(), 'baton-dev-'));
  let supervisor: Supervisor | undefined;
  atEnd(async () => {
    await supervisor?.kill();
    await rm(runtimeDir, { recursive: true, force: true });
  });
  // The functions are what is to be seen.
  process.env['BATON_LOG'] ??= 'warn';
  const suffix = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const app =
    options.app === undefined
      ? fileURLToPath(new URL(`./empty-app${suffix}`, import.meta.url))
      : findApp(options.app);
  const start = (port: number) =>
    Supervisor.start(
      {
        ...{ app, hosts: 1, port, host: '127.0.0.1', runtimeDir },
        onLine: ({ label, text }) => process.stdout.write(`${label} | ${text}\n`),
      },
      signal,
    );
  supervisor = await start(2567).catch((error: unknown) => {
    if (error instanceof BatonError && error.code === 'BATON_PORT_IN_USE') return start(0);
    throw error;
  });
  const client = new ServiceClient(supervisor.url, supervisor.token);
  return { client, url: client.url, key: supervisor.token };
}
