// Before a reload gives up the old code: could the rooms that run here move as they are?
import type { Migrator } from '../migration/index.ts';

/** @returns rooms that could never move, with what to do about it; empty when all can */
export async function checkMovability(migrator: Migrator): Promise<{ roomId: string; reason: string }[]> {
  return migrator.rehearse();
}
