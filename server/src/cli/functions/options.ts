import type { Command } from 'commander';
import { invalidOption } from '../../errors.ts';
import { type ServiceOptions, withServiceOptions } from '../options.ts';

export interface FunctionOptions extends ServiceOptions {
  tenant?: string;
}

/** Options of every command on functions. */
export function withFunctionOptions(command: Command): Command {
  return withServiceOptions(command).option(
    '--tenant <id>',
    'tenant whose functions are meant; default: that of the token, or `default`',
  );
}

/** @throws BATON_INVALID_OPTION */
export async function readStdin(what: string): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
  if (text === '') throw invalidOption({ option: what, reason: 'standard input is empty' });
  return text;
}
