// @baton/server: a Colyseus transport whose rooms and connections move between processes.
export { BatonError, catalogue } from './errors.ts';
export { type Mapping, mappingSchema } from './mappings/index.ts';
export { type Problem, registerMovable } from './migration/index.ts';
export { BatonTransport, type BatonTransportOptions } from './transport/index.ts';
