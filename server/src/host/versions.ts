// Moves rely on internals of Colyseus, so only the versions they were tested with are accepted.
import { readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { unsupportedColyseus } from '../errors.ts';

/** Package → the version Baton was tested with. docs/compatibility.md lists the same. */
export const TESTED_VERSIONS: Readonly<Record<string, string>> = {
  '@colyseus/core': '0.18.17',
  '@colyseus/schema': '5.0.34',
  '@colyseus/timer': '2.0.3',
};

const CORE = '@colyseus/core';
/** The copy that core resolves: an app need not know it, and core leaves its version open. */
const OF_CORE: ReadonlySet<string> = new Set(['@colyseus/timer']);

/**
 * @param resolver file from which packages are looked up: the app, so that its copies are checked
 * @throws BATON_UNSUPPORTED_COLYSEUS
 */
export function assertVersions(resolver: string): void {
  const own = fileURLToPath(import.meta.url);
  const core = installed(CORE, resolver) ?? installed(CORE, own);
  for (const [name, expected] of Object.entries(TESTED_VERSIONS)) {
    const found =
      OF_CORE.has(name) && core
        ? installed(name, core.file)
        : (installed(name, resolver) ?? installed(name, own));
    if (found?.version !== expected)
      throw unsupportedColyseus({ package: name, found: found?.version ?? 'no version', expected });
  }
}

/** @returns the package's package.json and what it says, or undefined when `from` does not find the package */
function installed(name: string, from: string): { file: string; version: string } | undefined {
  for (const base of createRequire(from).resolve.paths(name) ?? []) {
    try {
      const file = realpathSync(path.join(base, name, 'package.json')); // package managers link packages together
      return { file, version: JSON.parse(readFileSync(file, 'utf8')).version as string };
    } catch {
      // not in this node_modules folder: try the next one up
    }
  }
  return undefined;
}
