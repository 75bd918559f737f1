// `npm run -s bench -- relay|idle|blackout|drain|join|open|calls|link-relay [--json] [--quick]`: builds what users
// install and starts the bench under the Node of package-lock.json. With --quick, at sizes at which the figures mean
// nothing, the sources run as they are.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const locked = join(root, 'node_modules', '.bin', 'node');
const node = existsSync(locked) ? locked : process.execPath;
const args = ['-C', 'baton-source', '--disable-warning=ExperimentalWarning', join(root, 'bench/main.ts')];
let built = {};
if (!process.argv.includes('--quick') && process.argv.length > 2) {
  const { status } = spawnSync(node, [join(root, 'scripts/build.mjs')], { stdio: ['ignore', 2, 2] });
  if (status !== 0) process.exit(1);
  built = { BATON_BENCH_BUILT: '1' };
}
const child = spawn(node, [...args, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, ...built },
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
