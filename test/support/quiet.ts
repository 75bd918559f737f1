// Loaded before each test file: what Colyseus' client prints when a connection comes and goes is left out, for it is what
// many tests are about and would hide in a long log what failed. With BATON_TEST_LOG set nothing is left out.
const EXPECTED = [
  '[Colyseus reconnection]',
  'Room connection was closed unexpectedly',
  '@colyseus/sdk: onMessage() not registered',
];

if (!process.env['BATON_TEST_LOG']) {
  for (const level of ['info', 'warn'] as const) {
    const print = console[level];
    console[level] = (...args: unknown[]) => {
      if (!EXPECTED.some((start) => String(args[0]).startsWith(start))) print(...args);
    };
  }
}
