// The studio's side of the duel: an HTTP server with the function that decides who plays whom.

import { defineFunctions, firstComePairs } from '@baton/functions';

const port = Number(process.env['DUEL_FUNCTIONS_PORT'] ?? 2580);
const secret = process.env['DUEL_SIGNING_SECRET'];
const { url } = await defineFunctions({
  ...firstComePairs(),
  ...(secret ? { secrets: [secret] } : {}),
}).serve({ port });
console.log(`matchmaking functions on ${url}`);
// Whoever started this process holds its input open; when that ends, there is nobody left to serve.
if (process.env['DUEL_FUNCTIONS_OWNED']) process.stdin.on('end', () => process.exit(0)).resume();
