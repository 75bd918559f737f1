// Players on the stock SDK who check what a move must not disturb: `baton bots`. They number every message both
// ways, compare their state with the server's, and measure silences while their rooms are moved about.
export { registerBots } from './command.ts';
