// Tenants: the studios that share a service. Every id belongs to one, and nothing crosses between them.
export { isOperatorScope, SCOPES, type Scope } from './scopes.ts';
