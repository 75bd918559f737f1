// What an API key may do. `hosts:…` are the operator's own: keys of tenants never have them.
export const SCOPES = [
  'mappings:read',
  'mappings:write',
  'sockets:read',
  'sockets:send',
  'sockets:link',
  'sockets:open',
  'sockets:close',
  'functions:read',
  'functions:write',
  'dead-letters:read',
  'dead-letters:replay',
  'keys:admin',
  'audit:read',
  'log:read',
  'hosts:read',
  'hosts:admin',
] as const;

export type Scope = (typeof SCOPES)[number];

/** Scopes over the hosts of the service, which all tenants share. */
export const isOperatorScope = (scope: Scope): boolean => scope.startsWith('hosts:');
