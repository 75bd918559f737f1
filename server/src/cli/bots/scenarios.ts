/** What bots do. */
export interface Scenario {
  /** Where they meet: in rooms on the stock SDK, or on sockets of a mapping that links two of them. */
  on: 'rooms' | 'sockets';
  /** Messages a second and client. */
  rate: number;
  /** Length of a message, in bytes; rooms: of their own. */
  bytes: number;
  /** They leave after a while, some without a word, and come anew. */
  churns?: true;
  /** Half of them stop reading again and again. */
  slowReaders?: true;
}

export const scenarios = {
  room: { on: 'rooms', rate: 20, bytes: 0 },
  pairs: { on: 'sockets', rate: 5, bytes: 64 },
  chatty: { on: 'sockets', rate: 60, bytes: 256 },
  idle: { on: 'sockets', rate: 0, bytes: 64 },
  churn: { on: 'sockets', rate: 10, bytes: 64, churns: true },
  'slow-readers': { on: 'sockets', rate: 30, bytes: 4096, slowReaders: true },
} satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof scenarios;
export const scenarioNames = Object.keys(scenarios) as ScenarioName[];
