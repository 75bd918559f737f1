import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** One atomic step, kept in `commands/<name>-<number of keys>.lua`; `n` keys are as many as there are records. */
export interface Script {
  name: string;
  keys: string;
  source: string;
  sha: string;
}

// Read beside this module, so from src/ in a checkout and from dist/ in the package: the build copies .lua files.
const folder = new URL('./commands/', import.meta.url);

/** `-- include name` lines are replaced by `commands/includes/name.lua`, each file once. */
function read(file: string, included: Set<string>): string {
  const text = readFileSync(new URL(file, folder), 'utf8');
  return text.replace(/^-- include (\w+)\n/gm, (_, name: string) => {
    if (included.has(name)) return '';
    included.add(name);
    return read(`includes/${name}.lua`, included);
  });
}

function script(file: string): Script {
  const source = read(`${file}.lua`, new Set());
  const sha = createHash('sha1').update(source).digest('hex');
  const at = file.lastIndexOf('-');
  return { name: file.slice(0, at), keys: file.slice(at + 1), source, sha };
}

export const scripts = {
  putHost: script('put-host-4'),
  removeHost: script('remove-host-4'),
  listHosts: script('list-hosts-3'),
  expireHosts: script('expire-hosts-5'),
  claim: script('claim-4'),
  transfer: script('transfer-4'),
  release: script('release-2'),
  roomsOf: script('rooms-of-2'),
  getRecords: script('get-records-n'),
  commitRecords: script('commit-records-n'),
  nextGeneration: script('next-generation-2'),
  cleanupListings: script('cleanup-listings-1'),
};
