import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** One atomic step, kept in `commands/<name>-<number of keys>.lua`. */
export interface Script {
  source: string;
  sha: string;
}

// Beside this module, from src/ in a checkout and from dist/ in the package: the build copies .lua files.
function script(file: string): Script {
  const source = readFileSync(new URL(`./commands/${file}.lua`, import.meta.url), 'utf8');
  return { source, sha: createHash('sha1').update(source).digest('hex') };
}

export const scripts = { commit: script('commit-5'), list: script('list-2') };
