// Where workerd and what limits it are to be found.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { functionsUnsupported } from '../errors.ts';

/** Kernel's limit on the private memory of a process, in KiB. V8 reserves 500 MiB that it does not touch. */
const DATA_KIB = 1_280 * 1024;
const MAX_DESCRIPTORS = 512;

/** How a process with limits is started: `command` with `args` before what it is to run. */
export interface Launcher {
  command: string;
  args: string[];
  workerd: string;
}

/**
 * @throws BATON_FUNCTIONS_UNSUPPORTED: no Linux, whose kernel keeps the limits, or the packages are not installed
 */
export function findWorkerd(platform: string = process.platform): Launcher {
  if (platform !== 'linux')
    throw functionsUnsupported({ reason: `their limits are kept by Linux, and this is ${platform}` });
  const setpriv = inPath('setpriv');
  if (setpriv === undefined) throw functionsUnsupported({ reason: 'setpriv of util-linux is not installed' });
  const limits = `ulimit -c 0 && ulimit -d ${DATA_KIB} && ulimit -n ${MAX_DESCRIPTORS}`;
  return {
    command: '/bin/sh',
    // it ends with the process that started it, whatever becomes of that
    args: ['-c', `${limits} && exec "$@"`, 'sh', setpriv, '--pdeathsig', 'KILL', '--no-new-privs', '--'],
    workerd: workerdBinary(),
  };
}

/** The package itself starts a launcher in JavaScript; its binary is in one for each platform. */
function workerdBinary(): string {
  const cpu = { x64: '64', arm64: 'arm64' }[process.arch as string];
  if (cpu === undefined) throw functionsUnsupported({ reason: `there is no workerd for ${process.arch}` });
  try {
    const workerd = createRequire(import.meta.url).resolve('workerd/package.json');
    return createRequire(workerd).resolve(`@cloudflare/workerd-linux-${cpu}/bin/workerd`);
  } catch (error) {
    throw functionsUnsupported({ reason: 'the optional package workerd is not installed' }, error);
  }
}

function inPath(name: string): string | undefined {
  const dirs = [...(process.env['PATH'] ?? '').split(':'), '/usr/bin', '/bin'];
  return dirs
    .filter((dir) => path.isAbsolute(dir))
    .map((dir) => path.join(dir, name))
    .find((file) => fs.statSync(file, { throwIfNoEntry: false })?.isFile());
}
