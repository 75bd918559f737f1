import type { Command } from 'commander';
import { stringify } from 'yaml';
import { usage } from '../errors.ts';
import type { Applied, MappingView } from '../mappings/index.ts';
import { readMappingFile } from './mapping-file.ts';
import { examples } from './operate.ts';
import { type TenantOptions, withTenantOptions } from './options.ts';
import { formatTable, printResult } from './output.ts';
import { ServiceClient } from './service-client.ts';

/** `baton mapping apply | list | show | delete`. */
export function registerMappings(program: Command): void {
  const group = program
    .command('mapping')
    .description('function mappings of a running service')
    .addHelpText('after', examples('baton mapping apply mappings.yaml', 'baton mapping list --json'));
  withTenantOptions(
    group
      .command('apply <file...>')
      .description('make or change the mappings of YAML or JSON files, - is standard input'),
  )
    .addHelpText(
      'after',
      examples('baton mapping apply mappings.yaml', 'baton mapping apply duel.json --tenant acme'),
    )
    .action(apply);
  withTenantOptions(group.command('list').description('list the mappings')).action(list);
  withTenantOptions(group.command('show <name>').description('show a mapping and its last versions'))
    .addHelpText(
      'after',
      examples('baton mapping show duel', 'baton mapping show duel --json | jq .versions'),
    )
    .action(show);
  withTenantOptions(
    group.command('delete <name>').description('delete a mapping; its open sockets stay'),
  ).action(remove);
}

const pathOf = (name: string) => `/v1/mappings/${encodeURIComponent(name)}`;

/** Nothing is applied when one of the files is wrong. */
async function apply(files: string[], options: TenantOptions): Promise<void> {
  const given = (await Promise.all(files.map(readMappingFile))).flat();
  const names = given.map(([name]) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw usage({ reason: `mapping ${twice} is in the files twice` });
  const service = await ServiceClient.find(options);
  const applied: Applied[] = [];
  for (const [name, body] of given)
    applied.push(await service.ask({ method: 'PUT', path: pathOf(name), tenant: options.tenant, body }));
  printResult(options.json, { applied }, () => applied.map(line).join('\n') || 'no mappings');
}

function line({ name, version, changed, everywhere }: Applied): string {
  if (!changed) return `${name}: version ${version}, unchanged`;
  return `${name}: version ${version}${everywhere ? '' : '; some hosts do not have it yet'}`;
}

async function list(options: TenantOptions): Promise<void> {
  const service = await ServiceClient.find(options);
  const mappings: MappingView[] = [];
  for (let next: string | undefined = ''; next !== undefined; ) {
    const after: string = next === '' ? '' : `&after=${next}`;
    const page: { mappings: MappingView[]; next?: string } = await service.ask({
      method: 'GET',
      path: `/v1/mappings?limit=1000${after}`,
      tenant: options.tenant,
    });
    mappings.push(...page.mappings);
    next = page.next;
  }
  printResult(options.json, { mappings }, () => {
    if (mappings.length === 0) return 'no mappings';
    const rows = mappings.map(({ name, version, declared, updatedAt }) => [
      name,
      String(version),
      updatedAt,
      declared ? 'baton.config' : 'applied',
    ]);
    return formatTable(['NAME', 'VERSION', 'UPDATED', 'FROM'], rows).join('\n');
  });
}

async function show(name: string, options: TenantOptions): Promise<void> {
  const service = await ServiceClient.find(options);
  const view: MappingView & { versions: object[] } = await service.ask({
    method: 'GET',
    path: pathOf(name),
    tenant: options.tenant,
  });
  // what `apply` takes
  printResult(options.json, view, () =>
    [
      `# ${name}: version ${view.version} of ${view.updatedAt}`,
      stringify({ mappings: { [name]: view.mapping } }).trimEnd(),
    ].join('\n'),
  );
}

async function remove(name: string, options: TenantOptions): Promise<void> {
  const service = await ServiceClient.find(options);
  await service.ask({ method: 'DELETE', path: pathOf(name), tenant: options.tenant });
  printResult(options.json, { deleted: name }, () => `${name} is deleted`);
}
