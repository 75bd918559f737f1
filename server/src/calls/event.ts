// What a function is told, and the CloudEvents 1.0 headers it becomes (HTTP binding, binary mode, section 3.1).

/** Encoded attributes of a socket in a header: Node reads 16 KiB of headers in all. */
export const MAX_ATTRIBUTES_BYTES = 4 * 1024;

export interface CallEvent {
  type: 'open' | 'receive' | 'close' | 'linked' | 'unlinked';
  tenant: string;
  mapping: string;
  mappingVersion: number | undefined;
  socketId: string;
  playerId: string;
  /** Epoch of the socket's owner; grows with each move. */
  epoch: number | undefined;
  /** Which call of this socket it is, from 1. */
  sequence: number | undefined;
  /** What earlier answers said should be kept on the socket. */
  attributes: Record<string, unknown> | undefined;
  /** Where the player is. */
  remoteAddress?: string | undefined;
  contentType: string;
  body: Uint8Array;
}

/** Names and values in turn. */
export function headersOf(id: string, source: string, event: CallEvent): string[] {
  const headers = [
    'content-type',
    event.contentType,
    'ce-specversion',
    '1.0',
    'ce-id',
    id,
    'ce-source',
    source,
    'ce-type',
    `baton.socket.${event.type}`,
    'ce-time',
    timestamp(),
    'ce-subject',
    event.socketId,
    'ce-tenant',
    event.tenant,
    'ce-mapping',
    event.mapping,
    'ce-playerid',
    encodeURIComponent(event.playerId),
  ];
  const { mappingVersion, epoch, sequence, attributes, remoteAddress } = event;
  if (mappingVersion !== undefined) headers.push('ce-mappingversion', String(mappingVersion));
  if (epoch !== undefined) headers.push('ce-epoch', String(epoch));
  if (sequence !== undefined) headers.push('ce-sequence', String(sequence));
  if (remoteAddress !== undefined) headers.push('ce-remoteaddress', remoteAddress);
  if (attributes !== undefined) headers.push('ce-attributes', encodeAttributes(attributes));
  return headers;
}

/** JSON with all that may not be in a header as percent-encoded UTF-8 (section 3.1.3.2). */
export function encodeAttributes(attributes: Record<string, unknown>): string {
  return JSON.stringify(attributes).replace(/[^\x21\x23\x24\x26-\x7e]+/g, encodeURIComponent);
}

/** What is kept after an answer: its attributes over those there are; null takes one away. Undefined: none. */
export function mergeAttributes(
  kept: Record<string, unknown> | undefined,
  given: Record<string, unknown>,
): Record<string, unknown> | undefined {
  const all = Object.entries({ ...kept, ...given }).filter(([, value]) => value !== null);
  return all.length === 0 ? undefined : Object.fromEntries(all);
}

let latest = { ms: 0, text: '' };

/** The present time; made once for all calls of a millisecond. */
function timestamp(): string {
  const ms = Date.now();
  if (ms !== latest.ms) latest = { ms, text: new Date(ms).toISOString() };
  return latest.text;
}
