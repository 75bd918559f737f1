import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { invalidOption, runtimeDirUnsafe } from '../errors.ts';
import { startTicks } from '../telemetry/index.ts';

const serviceSchema = z.object({
  url: z.url(),
  port: z.number().int(),
  token: z.string().min(1),
  pid: z.number().int().positive(),
  /** When that process began, `startTicks`. */
  pidStart: z.number().optional(),
  startedAt: z.number(),
});

/** What `<runtimeDir>/service.json` holds: how tools on this machine reach the service. */
export type ServiceInfo = z.infer<typeof serviceSchema>;

const fileName = 'service.json';
/** sockaddr_un holds 108 bytes on Linux and 104 on macOS; names of sockets in the directory need some. */
const longestDir = 72;

/** `$XDG_RUNTIME_DIR/baton-<uid>`, or the same in the directory for temporary files. */
export function defaultRuntimeBase(): string {
  return path.join(process.env['XDG_RUNTIME_DIR'] || os.tmpdir(), `baton-${process.getuid?.() ?? 'user'}`);
}

/**
 * Makes the directory for sockets and the service file, for this user only.
 * @throws runtimeDirUnsafe when it is another user's or a link, invalidOption when its path is too long
 */
export function makeRuntimeDir(dir: string): string {
  const full = path.resolve(dir);
  if (Buffer.byteLength(full) > longestDir) {
    throw invalidOption({
      option: '--runtime-dir',
      reason: `"${full}" is longer than ${longestDir} bytes, too long for Unix sockets`,
    });
  }
  try {
    // The parent first: recursive mkdir gives its mode to the last directory only.
    if (path.dirname(full) === defaultRuntimeBase()) ensurePrivate(path.dirname(full));
    ensurePrivate(full);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code?.startsWith('BATON_')) throw error;
    throw runtimeDirUnsafe({ path: full, reason: code ?? String(error) }, error);
  }
  return full;
}

function ensurePrivate(dir: string): void {
  fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
  const stat = fs.lstatSync(dir);
  if (!stat.isDirectory()) throw runtimeDirUnsafe({ path: dir, reason: 'it is not a directory' });
  const uid = process.getuid?.();
  if (uid !== undefined && stat.uid !== uid) {
    throw runtimeDirUnsafe({ path: dir, reason: `it belongs to user ${stat.uid}` });
  }
  // Others may have put something there; and a directory like /tmp is not ours to close.
  if ((stat.mode & 0o022) !== 0) {
    throw runtimeDirUnsafe({
      path: dir,
      reason: `others may write to it (mode ${(stat.mode & 0o7777).toString(8)})`,
    });
  }
  if ((stat.mode & 0o077) !== 0) fs.chmodSync(dir, 0o700);
}

/**
 * Written beside and renamed, so that a reader never sees half of it.
 * @throws runtimeDirUnsafe when it cannot be written, as on a full disk
 */
export function writeServiceFile(dir: string, info: ServiceInfo): void {
  const file = path.join(dir, fileName);
  const part = `${file}.${process.pid}.tmp`;
  try {
    fs.rmSync(part, { force: true });
    fs.writeFileSync(part, `${JSON.stringify(info)}\n`, { mode: 0o600, flag: 'wx' });
    fs.renameSync(part, file);
  } catch (error) {
    fs.rmSync(part, { force: true });
    throw runtimeDirUnsafe({ path: dir, reason: (error as Error).message }, error);
  }
}

/** Removes the file unless another service has written its own meanwhile. */
export function removeServiceFile(dir: string, pid: number): void {
  if (readServiceFile(dir)?.pid === pid) fs.rmSync(path.join(dir, fileName), { force: true });
}

/** `undefined` when there is none, or one that is damaged or readable for others. */
export function readServiceFile(dir: string): ServiceInfo | undefined {
  try {
    const file = path.join(dir, fileName);
    const stat = fs.statSync(file);
    const uid = process.getuid?.();
    if (uid !== undefined && (stat.uid !== uid || (stat.mode & 0o077) !== 0)) return undefined;
    return serviceSchema.parse(JSON.parse(fs.readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}

/**
 * Finds a service of this user on this machine, the newest first. One whose supervisor is gone counts when
 * its hosts still answer (they outlive it); a file that a crash left behind does not.
 */
export async function findService(
  options: { port?: number; runtimeDir?: string } = {},
): Promise<ServiceInfo | undefined> {
  const dirs = options.runtimeDir === undefined ? defaultDirs() : [path.resolve(options.runtimeDir)];
  const found = dirs
    .map(readServiceFile)
    .filter((info) => info !== undefined)
    .filter((info) => options.port === undefined || info.port === options.port)
    .sort((a, b) => b.startedAt - a.startedAt);
  const alive = found.find(isRunning);
  if (alive) return alive;
  for (const info of found) if (await answers(info.url)) return info;
  return undefined;
}

function defaultDirs(): string[] {
  const base = defaultRuntimeBase();
  try {
    return fs.readdirSync(base).map((name) => path.join(base, name));
  } catch {
    return [];
  }
}

/** Whether the supervisor that wrote this is there. Its number alone may be another process's by now. */
export function isRunning({ pid, pidStart }: ServiceInfo): boolean {
  try {
    process.kill(pid, 0);
    const now = startTicks(pid);
    return pidStart === undefined || now === undefined || now === pidStart;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(1000), redirect: 'error' });
    return response.ok && ((await response.json()) as { status?: unknown }).status === 'ok';
  } catch {
    return false;
  }
}
