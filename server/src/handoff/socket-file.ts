// The Unix socket a process listens on: who may reach it is decided by its folder (0700) and its own mode (0600).
// The socket of a process that died is replaced; that of a living one is not.

import { chmodSync, lstatSync, mkdirSync, type Stats, unlinkSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { handoffInUse, handoffProtocol, handoffStranger, invalidOption } from '../errors.ts';
import { type Credentials, libc, MAX_PATH } from './libc.ts';
import { type Fd, SystemError } from './native.ts';

const BACKLOG = 128;

/** @throws invalidOption for a path that is relative or longer than sockaddr_un takes */
export function checkPath(path: string): void {
  const reason = !isAbsolute(path)
    ? 'it must be absolute'
    : path.includes('\0')
      ? 'it must not contain NUL'
      : Buffer.byteLength(path) > MAX_PATH
        ? `a Unix socket's path has at most ${MAX_PATH} bytes`
        : undefined;
  if (reason) throw invalidOption({ option: `handoff path ${JSON.stringify(path)}`, reason });
}

/** @returns a listening socket and what undoes it @throws invalidOption, handoffInUse, SystemError */
export function listenAt(path: string): { fd: Fd; remove(): void } {
  checkPath(path);
  prepareFolder(dirname(path));
  const fd = libc.packetSocket();
  try {
    bindReplacing(fd, path);
    chmodSync(path, 0o600);
    libc.listen(fd, BACKLOG);
    const made = lstatSync(path);
    return { fd, remove: () => removeIfSame(path, made) };
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

function prepareFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stat = lstatSync(folder);
  if (!stat.isDirectory() || stat.uid !== process.geteuid!() || (stat.mode & 0o077) !== 0) {
    throw invalidOption({
      option: `handoff folder ${folder}`,
      reason: 'it must be a directory of this user with mode 0700, so that nobody else can reach its sockets',
    });
  }
}

function bindReplacing(fd: Fd, path: string): void {
  try {
    libc.bindPath(fd, path);
    return;
  } catch (error) {
    if (!(error instanceof SystemError) || error.errno !== libc.EADDRINUSE) throw error;
  }
  if (!lstatSync(path).isSocket()) {
    throw invalidOption({ option: `handoff path ${path}`, reason: 'there is a file that is no socket' });
  }
  const probe = libc.connectPath(path);
  if (probe >= 0) libc.close(probe);
  if (probe !== -libc.ECONNREFUSED) throw handoffInUse({ path });
  unlinkSync(path);
  libc.bindPath(fd, path);
}

function removeIfSame(path: string, made: Stats): void {
  try {
    const now = lstatSync(path);
    if (now.ino === made.ino && now.dev === made.dev) unlinkSync(path);
  } catch {
    // Somebody removed it before us.
  }
}

/** Who is at the other end. @throws handoffStranger for another user, handoffProtocol when the kernel won't say */
export function authenticate(fd: Fd): Credentials {
  let credentials: Credentials;
  try {
    credentials = libc.peerCredentials(fd);
  } catch (error) {
    throw handoffProtocol({ reason: 'the kernel does not say who sent it' }, error);
  }
  const expected = process.geteuid!();
  if (credentials.uid !== expected)
    throw handoffStranger({ uid: credentials.uid, pid: credentials.pid, expected });
  return credentials;
}
