// Tenants: the studios that share a service. Every id belongs to one, and nothing crosses between them. Here is who they
// are, how their players and their keys are known, and the record through which all hosts agree on it.
export { Catalogue, type CatalogueContent, type Entry, own } from './catalogue.ts';
export { Documents, type Version } from './documents.ts';
export { ApiKeys, KEY_GOOD_FOR_MS, type KeyView, keyName, keyScope } from './keys.ts';
export { isOperatorScope, SCOPES, type Scope } from './scopes.ts';
export { DEFAULT_TENANT, type TenantSettings, tenantId, tenantSettings } from './settings.ts';
export { SocketQuota } from './socket-quota.ts';
export { type LogEntry, logEntrySchema, TenantLog } from './tenant-log.ts';
export { Tenants } from './tenants.ts';
export { MAX_PLAYER_ID, type Player, Tokens } from './tokens.ts';
