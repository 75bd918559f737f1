// Hosts of one store that know tenants, mappings and keys; each has a connection of its own, as processes have.
import { AddressGuard } from '../../server/src/calls/index.ts';
import { MappingRegistry } from '../../server/src/mappings/index.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';
import { ApiKeys, Catalogue, Tenants } from '../../server/src/tenants/index.ts';
import { type Backend, embeddedBackend, redisBackend, type Space } from '../store/backend.ts';
import { host, LONG } from '../store/support.ts';

export const backends: [string, () => Promise<Backend>][] = [
  ['embedded', embeddedBackend],
  ['redis', () => redisBackend()],
];

export class House {
  readonly space: Space;
  private readonly ends: (() => Promise<unknown>)[] = [];

  constructor(space: Space) {
    this.space = space;
  }

  async host({ development = true, now = Date.now } = {}) {
    const store = await this.space.open();
    const id = await store.nextHostId();
    const catalogue = new Catalogue({ store, host: id, log: silentLog, lookEveryMs: 200 });
    const tenants = new Tenants({ catalogue, store, log: silentLog });
    const guard = new AddressGuard();
    const mappings = new MappingRegistry({ catalogue, tenants, store, guard, log: silentLog, development });
    const keys = new ApiKeys({ store, log: silentLog, isTenant: (tenant) => tenants.has(tenant), now });
    await catalogue.start();
    await keys.start();
    await store.putHost(host(id), LONG);
    const stop = async () => {
      await Promise.all([catalogue.stop(), keys.stop()]);
      await store.removeHost(id).catch(() => {});
    };
    this.ends.push(stop);
    return { id, store, catalogue, tenants, mappings, keys, stop };
  }

  async close(): Promise<void> {
    await Promise.all(this.ends.splice(0).map((end) => end()));
  }
}

export const url = (path: string) => ({ url: `https://studio.example/${path}` });
