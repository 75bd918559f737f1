import { openStore } from '../../server/src/store/index.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';

// Leaves rejections unhandled as Colyseus does, in a process of its own, and tells whether it is still alive.
const store = await openStore({ ...JSON.parse(process.argv[2]!), log: silentLog });

async function nobodyAwaits(): Promise<void> {
  await store.presence.hset('roomcount', 'p1', '0,0');
}

process.on('message', (what) => {
  if (what === 'leave calls') {
    void nobodyAwaits();
    store.presence.publish('topic', 1);
    store.driver.remove('r');
    void store.hosts();
    setImmediate(() => setImmediate(() => process.send!('alive')));
  }
  if (what === 'fail') void Promise.reject(new Error('not about the store'));
  if (what === 'close') store.close().then(() => process.disconnect());
});
process.send!(store.connected);
store.onConnectionChange((up) => process.send!(up));
