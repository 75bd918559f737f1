// Programs from the operating system that the tests drive, and how to get them.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Debian package → names its program goes by. */
const PROGRAMS = {
  'redis-server': ['redis-server'],
  chromium: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
  nginx: ['nginx'],
  haproxy: ['haproxy'],
  openssl: ['openssl'],
  bsdutils: ['script'],
  'python3-websockets': ['python3'],
};
/** Debian package → how to see that the program found for it has what is wanted. */
const PROOFS = { 'python3-websockets': ['-c', 'import websockets'] };
const FOLDERS = [
  ...(process.env.PATH ?? '').split(delimiter),
  '/usr/sbin',
  '/sbin',
  '/usr/local/sbin',
  '/snap/bin',
];

/** Full path of a program, or undefined. @param name Debian package or program name */
export function findProgram(name) {
  for (const folder of FOLDERS.filter(Boolean)) {
    for (const candidate of PROGRAMS[name] ?? [name]) {
      const path = join(folder, candidate);
      try {
        accessSync(path, constants.X_OK);
      } catch {
        continue;
      }
      const proof = PROOFS[name];
      if (!proof || spawnSync(path, proof, { stdio: 'ignore', timeout: 10_000 }).status === 0) return path;
    }
  }
  return undefined;
}

const missing = () => Object.keys(PROGRAMS).filter((name) => !findProgram(name));

/** Installs what is missing where apt-get may be used; else says which packages to install. @returns complete */
export async function ensurePrograms() {
  const wanted = missing();
  if (wanted.length === 0) return true;
  if (findProgram('apt-get') && process.getuid?.() === 0) {
    console.log(`installing ${wanted.join(', ')} (apt-get)`);
    // RUNLEVEL=1 keeps the packages from starting their services.
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
    const apt = (...args) =>
      spawnSync('apt-get', ['-q', ...args], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env,
        timeout: 240_000,
      });
    apt('update');
    apt('install', '-y', '--no-install-recommends', ...wanted);
    if (missing().length === 0) return true;
  }
  console.error(`The tests need these programs, which are not installed: ${missing().join(', ')}.`);
  console.error(
    `Install them and run again, on Debian and Ubuntu: sudo apt-get update && sudo apt-get install -y ${missing().join(' ')}`,
  );
  return false;
}
