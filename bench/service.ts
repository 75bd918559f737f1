// A service of two hosts for the benches that move rooms.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ServiceClient } from '../server/src/cli/service-client.ts';
import { Supervisor } from '../server/src/supervisor/index.ts';

export interface BenchService {
  port: number;
  api: ServiceClient;
  close(): Promise<void>;
}

export async function startService(): Promise<BenchService> {
  const runtimeDir = await mkdtemp(join(tmpdir(), 'baton-bench-'));
  const supervisor = await Supervisor.start({
    app: fileURLToPath(new URL('apps/rooms.config.ts', import.meta.url)),
    hosts: 2,
    port: 0,
    host: '127.0.0.1',
    runtimeDir,
    onLine: ({ label, stream, text }) => stream === 'stderr' && console.error(`${label} ${text}`),
  });
  const end = () => void supervisor.kill().finally(() => process.exit(130));
  process.once('SIGINT', end).once('SIGTERM', end);
  return {
    port: supervisor.port,
    api: new ServiceClient(supervisor.url, supervisor.token),
    async close() {
      process.off('SIGINT', end).off('SIGTERM', end);
      await supervisor.kill();
      await rm(runtimeDir, { recursive: true, force: true });
    },
  };
}
