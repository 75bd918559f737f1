// A studio's matchmaker on thousands of players in virtual time: `baton simulate`. The simulation itself is
// @baton/functions/simulate; here it gets its matchmakers and players from files, and its report becomes text, CSV or HTML.
export { registerSimulate } from './command.ts';
