// A matchmaker tried on thousands of players in virtual time: who waits how long, who gives up, how fair the matches are.
// The same seed gives the same players, the same choices and the same report, whatever machine it runs on.
export type { Arrival, Searcher } from './arrival.ts';
export { Crowd, type CrowdOptions, type Simulation, type Waiting } from './crowd.ts';
export { type Distribution, distributionOf, percentile } from './distribution.ts';
export { generatePopulation, type PopulationOptions, type Region } from './population.ts';
export { Random } from './random.ts';
export { rate, winProbabilities } from './rating.ts';
export type { PartyFigures, RatingFigures, Report, TimelinePoint } from './report.ts';
export { SimulationError } from './round.ts';
export type { PlayedMatch, Search } from './search.ts';
export { type SimulateOptions, simulate } from './simulate.ts';
