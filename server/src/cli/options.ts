import net from 'node:net';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { MAX_COALESCE_MS } from '../host/settings.ts';
import type { ServiceChoice } from './service-client.ts';

export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Expected a whole number.');
  return Number(text);
}

const UNITS = { ms: 0.001, s: 1, m: 60, h: 3600 };

/** `30`, `30s`, `1.5m`, `250ms`. @returns seconds, up to a day */
export function secondsOf(text: string): number {
  const [, amount, unit = 's'] = /^(\d{1,9}(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  const seconds = Number(amount) * UNITS[unit as keyof typeof UNITS];
  if (!(seconds <= 86_400))
    throw new InvalidArgumentError('Expected seconds, or a duration such as 30s or 2m.');
  return seconds;
}

/** `10.0.0.0/8`, or several with commas between; added to those of the same option before. */
export function addressRanges(text: string, before: string[] = []): string[] {
  const ranges = text.split(',').map((range) => range.trim());
  for (const range of ranges) {
    const [, address = '', prefix] = /^([^/]+)\/(\d{1,3})$/.exec(range) ?? [];
    const bits = { 0: -1, 4: 32, 6: 128 }[net.isIP(address)]!;
    if (Number(prefix) > bits || address.includes('%') || prefix === undefined)
      throw new InvalidArgumentError(`"${range}" is not a range such as 10.0.0.0/8.`);
  }
  return [...before, ...ranges];
}

export function coalesceMs(text: string): number {
  const ms = wholeNumber(text);
  if (ms > MAX_COALESCE_MS)
    throw new InvalidArgumentError(`Expected at most ${MAX_COALESCE_MS} milliseconds.`);
  return ms;
}

/** At most what the control API takes: an hour. */
export function deadlineSeconds(text: string): number {
  const seconds = wholeNumber(text);
  if (seconds > 3_600) throw new InvalidArgumentError('Expected at most 3600 seconds.');
  return seconds;
}

export interface ServiceOptions extends ServiceChoice {
  json?: boolean;
}

/** Options of every command that talks to a running service. */
export function withServiceOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--url <url>', 'service to talk to; default: the newest one on this machine').env(
        'BATON_URL',
      ),
    )
    .addOption(
      new Option('--token <token>', 'bearer token of its control API; default: from its service file').env(
        'BATON_CONTROL_TOKEN',
      ),
    )
    .option('--port <port>', 'the service on this machine that listens on this port', wholeNumber)
    .option('--runtime-dir <dir>', 'runtime directory the service was started with')
    .option('--json', 'print one JSON object as the last line of standard output');
}

export interface TenantOptions extends ServiceOptions {
  tenant?: string;
}

/** Options of every command on what a tenant has; its API key does for them. */
export function withTenantOptions(command: Command): Command {
  return withServiceOptions(command)
    .addOption(new Option('--key <key>', 'API key of a tenant, instead of a token').env('BATON_KEY'))
    .option('--tenant <id>', 'tenant that is meant; default: that of the key, or `default`');
}
