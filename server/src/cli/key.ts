import { type Command, InvalidArgumentError } from 'commander';
import { type KeyView, keyScope, type Scope } from '../tenants/index.ts';
import { examples } from './operate.ts';
import { type TenantOptions, withTenantOptions } from './options.ts';
import { formatTable, printResult } from './output.ts';
import { ServiceClient } from './service-client.ts';

/** Milliseconds. */
const UNITS: Record<string, number> = { d: 24 * 3_600_000, h: 3_600_000 };

interface CreateOptions extends TenantOptions {
  scopes: Scope[];
  expires?: string;
}

/** `baton key create | list | revoke`. */
export function registerKeys(program: Command): void {
  const group = program
    .command('key')
    .description("API keys of a running service's tenants")
    .addHelpText('after', examples('baton key create ci --scopes mappings:write', 'baton key list --json'));
  withTenantOptions(group.command('create <name>').description('make an API key; it is shown once'))
    .requiredOption('--scopes <scopes>', 'what it may do, with commas between; see below', scopes)
    .option('--expires <when>', 'until when it is good: in 90d or 12h, or a date; default: for ever', expiry)
    .addHelpText(
      'after',
      `${examples(
        'baton key create matchmaker --scopes sockets:read,sockets:link',
        'baton key create ci --scopes mappings:write --expires 90d --tenant acme',
      )}

Scopes: ${keyScope.options.join(', ')}.`,
    )
    .action(create);
  withTenantOptions(group.command('list').description('list the API keys')).action(list);
  withTenantOptions(
    group.command('revoke <id>').description('revoke an API key: the third part of it is its id'),
  ).action(revoke);
}

function scopes(text: string): Scope[] {
  const given = text.split(',').map((scope) => scope.trim());
  for (const scope of given)
    if (!keyScope.safeParse(scope).success)
      throw new InvalidArgumentError(`"${scope}" is no scope of a key.`);
  return given as Scope[];
}

function expiry(text: string): string {
  const [, amount, unit] = /^(\d{1,5})([dh])$/.exec(text) ?? [];
  const at = unit ? Date.now() + Number(amount) * UNITS[unit]! : Date.parse(text);
  if (Number.isNaN(at)) throw new InvalidArgumentError('Expected 90d, 12h or a date such as 2030-12-31.');
  return new Date(at).toISOString();
}

async function create(name: string, options: CreateOptions): Promise<void> {
  const service = await ServiceClient.find(options);
  const { scopes, expires, tenant } = options;
  const body = { name, scopes, ...(expires === undefined ? {} : { expiresAt: expires }) };
  const made = await service.ask<KeyView & { secret: string }>({
    method: 'POST',
    path: '/v1/keys',
    tenant,
    body,
  });
  // the key alone on standard output, for `KEY=$(baton key create …)`
  if (!options.json) process.stderr.write(`key ${made.id}; it is shown this once:\n`);
  printResult(options.json, made, () => made.secret);
}

async function list(options: TenantOptions): Promise<void> {
  const service = await ServiceClient.find(options);
  const keys: KeyView[] = [];
  for (let next: string | undefined = ''; next !== undefined; ) {
    const after: string = next === '' ? '' : `&after=${next}`;
    const page: { keys: KeyView[]; next?: string } = await service.ask({
      method: 'GET',
      path: `/v1/keys?limit=1000${after}`,
      tenant: options.tenant,
    });
    keys.push(...page.keys);
    next = page.next;
  }
  printResult(options.json, { keys }, () => {
    if (keys.length === 0) return 'no keys';
    const rows = keys.map(({ id, name, scopes, createdAt, lastUsedAt, expiresAt, revokedAt }) => [
      id,
      name,
      revokedAt ? 'revoked' : expiresAt && Date.parse(expiresAt) <= Date.now() ? 'expired' : 'good',
      createdAt,
      lastUsedAt ?? 'never',
      scopes.join(','),
    ]);
    return formatTable(['ID', 'NAME', 'STATE', 'CREATED', 'USED', 'SCOPES'], rows).join('\n');
  });
}

async function revoke(id: string, options: TenantOptions): Promise<void> {
  const service = await ServiceClient.find(options);
  const path = `/v1/keys/${encodeURIComponent(id)}`;
  const view = await service.ask<KeyView>({ method: 'DELETE', path, tenant: options.tenant });
  printResult(options.json, view, () => `${id} (${view.name}) is revoked`);
}
