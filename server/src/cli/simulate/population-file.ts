import type { PopulationOptions, SimulateOptions } from '@baton/functions/simulate';
import { z } from 'zod';
import { duration } from '../../duration.ts';
import { invalidOption } from '../../errors.ts';
import { readYaml } from '../yaml-file.ts';

const share = z.number().nonnegative();
const shares = z
  .record(z.string(), share)
  .refine((record) => Object.values(record).some((each) => each > 0), 'expected a share above 0');
const milliseconds = z.number().nonnegative().max(60_000);

const fileSchema = z.strictObject({
  skill: z.strictObject({ mean: z.number(), deviation: z.number().nonnegative() }).optional(),
  sigma: z
    .strictObject({ least: z.number().nonnegative(), most: z.number().nonnegative() })
    .refine(({ least, most }) => least <= most, 'least is more than most')
    .optional(),
  regions: z
    .record(z.string().min(1), z.strictObject({ share, latency: z.record(z.string().min(1), milliseconds) }))
    .refine((record) => Object.keys(record).length > 0, 'expected a region')
    .optional(),
  parties: shares
    .refine(
      (record) => Object.keys(record).every((size) => /^[1-9]\d?$/.test(size)),
      'expected sizes from 1 to 99',
    )
    .optional(),
  roles: shares.optional(),
  patience: z
    .union([z.literal('never').transform(() => Infinity), duration], {
      error: 'expected a duration such as "90s", or "never"',
    })
    .optional(),
  again: z
    .strictObject({
      probability: z.number().min(0).max(1),
      matchDuration: duration,
      updateRatings: z.boolean().default(false),
    })
    .optional(),
});

export interface PopulationFile {
  population: Omit<PopulationOptions, 'players' | 'arrivalsPerSecond' | 'seed'>;
  options: Pick<SimulateOptions, 'playAgain' | 'updateRatings'>;
}

/**
 * Who plays, as a file says; docs/simulator.md tells its fields.
 * @throws BATON_INVALID_OPTION with every line and field that is wrong
 */
export async function readPopulation(file: string): Promise<PopulationFile> {
  const { parsed } = await readYaml(file, fileSchema, (reason) => invalidOption({ option: file, reason }));
  const { patience, again, ...population } = parsed;
  const { updateRatings, ...playAgain } = again ?? {};
  return {
    population: { ...population, ...(patience === undefined ? {} : { patience: { median: patience } }) },
    options:
      again === undefined ? {} : { playAgain: playAgain as SimulateOptions['playAgain'], updateRatings },
  };
}
