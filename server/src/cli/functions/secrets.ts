import type { Command } from 'commander';
import { examples } from '../operate.ts';
import { formatTable, printResult } from '../output.ts';
import { ServiceClient } from '../service-client.ts';
import { type FunctionOptions, readStdin, withFunctionOptions } from './options.ts';

/** `baton function secret set | list | delete`. */
export function registerSecrets(group: Command): void {
  const secrets = group.command('secret').description('secrets that functions get by name');
  withFunctionOptions(secrets.command('set <name>').description('set a secret to what standard input says'))
    .addHelpText('after', examples('cat key.txt | baton function secret set stats-key'))
    .action(set);
  withFunctionOptions(secrets.command('list').description('list the names of the secrets')).action(list);
  withFunctionOptions(secrets.command('delete <name>').description('delete a secret')).action(remove);
}

const pathOf = (name: string) => `/v1/secrets/${encodeURIComponent(name)}`;

async function set(name: string, options: FunctionOptions): Promise<void> {
  const service = await ServiceClient.find(options);
  const value = await readStdin('secret');
  const body = { text: value, type: 'text/plain' };
  const view = await service.ask<object>({ method: 'PUT', path: pathOf(name), tenant: options.tenant, body });
  printResult(options.json, view, () => `secret ${name} is set`);
}

async function list(options: FunctionOptions): Promise<void> {
  const service = await ServiceClient.find(options);
  const { secrets } = await service.ask<{ secrets: { name: string; updatedAt: number }[] }>({
    method: 'GET',
    path: '/v1/secrets',
    tenant: options.tenant,
  });
  const rows = secrets.map(({ name, updatedAt }) => [name, new Date(updatedAt).toISOString()]);
  printResult(options.json, { secrets }, () =>
    rows.length === 0 ? 'no secrets' : formatTable(['NAME', 'SET'], rows).join('\n'),
  );
}

async function remove(name: string, options: FunctionOptions): Promise<void> {
  const service = await ServiceClient.find(options);
  await service.ask({ method: 'DELETE', path: pathOf(name), tenant: options.tenant });
  printResult(options.json, { name }, () => `secret ${name} is deleted`);
}
