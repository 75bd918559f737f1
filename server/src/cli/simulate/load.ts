import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Matchmaker } from '@baton/functions';
import { matchmakerInvalid } from '../../errors.ts';

/** A matchmaker, and what reports call it. */
export interface Candidate {
  name: string;
  matchmaker: Matchmaker;
}

/**
 * @param named a file in TypeScript or JavaScript, `#` and the name of an export when it is not the default one
 * @throws BATON_MATCHMAKER_INVALID
 */
export async function loadMatchmaker(named: string): Promise<Candidate> {
  const [, file = '', name = 'default'] = /^(.*?)(?:#([\w$]+))?$/s.exec(named)!;
  if (!existsSync(file)) throw matchmakerInvalid({ file, reason: 'there is no such file' });
  const exported = await import(pathToFileURL(path.resolve(file)).href).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw matchmakerInvalid({ file, reason: `it does not load: ${reason}` }, error);
  });
  const matchmaker: unknown = exported[name];
  if (!isMatchmaker(matchmaker)) {
    const others = Object.keys(exported).filter((key) => isMatchmaker(exported[key]));
    const hint = others.length === 0 ? '' : `; it has ${others.map((key) => `${file}#${key}`).join(', ')}`;
    throw matchmakerInvalid({
      file,
      reason: `its export "${name}" is no matchmaker, it has no match()${hint}`,
    });
  }
  return { name: path.basename(file) + (name === 'default' ? '' : `#${name}`), matchmaker };
}

function isMatchmaker(value: unknown): value is Matchmaker {
  return typeof (value as Matchmaker | undefined)?.match === 'function';
}
