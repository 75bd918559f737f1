// `npm run -s bench -- relay|idle|blackout|drain|join|open|calls|link-relay [--json] [--quick]`: starts the bench under the Node of package-lock.json.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const locked = join(root, 'node_modules', '.bin', 'node');
const node = existsSync(locked) ? locked : process.execPath;
const args = ['-C', 'baton-source', '--disable-warning=ExperimentalWarning', join(root, 'bench/main.ts')];
const child = spawn(node, [...args, ...process.argv.slice(2)], { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
