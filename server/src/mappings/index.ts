// Function mappings: named records that say which functions run for a socket and how it behaves. Here is their
// schema and the registry that finds one by name.
export { type Config, loadConfig } from './config.ts';
export { endpoint as endpointSchema } from './endpoint.ts';
export type { ReceiveEntry } from './receive.ts';
export { MappingRegistry } from './registry.ts';
export { DEFAULT_TENANT, type Mapping, mappingSchema } from './schema.ts';
