import { parseArgs } from 'node:util';
import { blackout } from './blackout.ts';
import { calls } from './calls.ts';
import { drain } from './drain.ts';
import { idle } from './idle.ts';
import { join } from './join.ts';
import { open } from './open.ts';
import { linkRelay, relay } from './relay.ts';
import { Report } from './report.ts';

const benches: Record<string, (report: Report) => Promise<void>> = {
  relay,
  idle,
  blackout,
  drain,
  join,
  open,
  calls,
  'link-relay': linkRelay,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } },
});
const name = positionals[0] ?? '';
const bench = benches[name];
if (!bench) {
  console.error(`usage: npm run -s bench -- ${Object.keys(benches).join('|')} [--json] [--quick]`);
  process.exit(2);
}
const report = new Report(name, values);
await bench(report);
report.finish();
