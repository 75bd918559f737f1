// Matchmakers to use as they are, to put around each other, or to copy and change.

export { type BackfillOptions, backfill } from './backfill.ts';
export { firstCome } from './first-come.ts';
export { type PartyOptions, parties } from './parties.ts';
export { type PrivateCodeOptions, privateCodes } from './private-codes.ts';
export { type RegionOptions, regions } from './regions.ts';
export { assignRoles, type Roles } from './roles.ts';
export { type SkillOptions, skill } from './skill.ts';
export { type TeamOptions, teams } from './teams.ts';
export type { Widening } from './widening.ts';
