import { EmbeddedStoreServer } from '../../server/src/store/index.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';

// Stands in for the supervisor: serves an embedded store at each path it is sent.
process.on('message', ({ path }: { path: string }) => {
  EmbeddedStoreServer.listen({ path, log: silentLog }).then(
    () => process.send!({}),
    (error: Error) => process.send!({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit());
