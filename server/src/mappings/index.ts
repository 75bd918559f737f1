// Function mappings: named records that say which functions run for a socket and how it behaves. Here is their
// schema, the file that declares them, and the registry that knows the current version of each, on every host.
export { type DeclaredTenant, loadConfig } from './config.ts';
export { endpoint as endpointSchema } from './endpoint.ts';
export type { ReceiveEntry } from './receive.ts';
export { type Applied, MappingRegistry, type MappingView } from './registry.ts';
export { type Mapping, mappingName, mappingSchema } from './schema.ts';
