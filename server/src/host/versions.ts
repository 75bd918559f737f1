// Moves rely on internals of Colyseus, so only the versions they were tested with are accepted.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { unsupportedColyseus } from '../errors.ts';

/** Package → the version Baton was tested with. docs/compatibility.md lists the same. */
export const TESTED_VERSIONS: Readonly<Record<string, string>> = {
  '@colyseus/core': '0.18.17',
  '@colyseus/schema': '5.0.34',
};

/**
 * @param resolver file from which packages are looked up: the app, so that its copies are checked
 * @throws BATON_UNSUPPORTED_COLYSEUS
 */
export function assertVersions(resolver: string): void {
  for (const [name, expected] of Object.entries(TESTED_VERSIONS)) {
    const found = installedVersion(name, resolver) ?? installedVersion(name, fileURLToPath(import.meta.url));
    if (found !== expected)
      throw unsupportedColyseus({ package: name, found: found ?? 'no version', expected });
  }
}

function installedVersion(name: string, from: string): string | undefined {
  for (const base of createRequire(from).resolve.paths(name) ?? []) {
    try {
      return JSON.parse(readFileSync(path.join(base, name, 'package.json'), 'utf8')).version as string;
    } catch {
      // not in this node_modules folder: try the next one up
    }
  }
  return undefined;
}
