#!/usr/bin/env node
// `npm create baton my-game` is `baton init my-game`.
process.argv.splice(2, 0, 'init');
await import(new URL('bin/baton.mjs', import.meta.resolve('@baton/server/package.json')));
