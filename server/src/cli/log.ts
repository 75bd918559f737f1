import type { Command } from 'commander';
import type { LogEntry } from '../tenants/index.ts';
import { examples } from './operate.ts';
import { type TenantOptions, wholeNumber, withTenantOptions } from './options.ts';
import { printResult } from './output.ts';
import { ServiceClient } from './service-client.ts';

/** `baton log`. */
export function registerLog(program: Command): void {
  withTenantOptions(program.command('log').description("show what went wrong with a tenant's sockets"))
    .option('--lines <n>', 'at most so many of the newest entries', wholeNumber, 100)
    .addHelpText('after', examples('baton log', 'baton log --tenant acme --lines 10 --json'))
    .action(show);
}

async function show({ lines, ...options }: TenantOptions & { lines: number }): Promise<void> {
  const service = await ServiceClient.find(options);
  const path = `/v1/log?limit=${Math.max(1, Math.min(lines, 1_000))}`;
  const { entries } = await service.ask<{ entries: LogEntry[] }>({
    method: 'GET',
    path,
    tenant: options.tenant,
  });
  printResult(options.json, { entries }, () =>
    entries.length === 0 ? 'nothing went wrong' : entries.toReversed().map(line).join('\n'),
  );
}

function line({ time, socketId, mapping, what, code, message, leftOut }: LogEntry): string {
  const before = leftOut ? `${time}  ${leftOut} more, left out\n` : '';
  const socket = mapping ? `${mapping} ${socketId}` : socketId;
  return `${before}${time}  ${socket}  ${what}: ${message} (${code})`;
}
