// baton.resume.v1 as it goes over the wire: data are text and binary messages as they are; what service and client say to
// each other are texts that begin with U+0001 and go on with JSON. Data text that begins so gets one more in front.

export const PROTOCOL = 'baton.resume.v1';
const MARK = '\u0001';

/** One WebSocket message. */
export type Wire = string | Uint8Array;

/** What the service says. */
export interface ServiceEvent {
  event: string;
  [field: string]: unknown;
}

export const control = (said: object): string => MARK + JSON.stringify(said);

export const escaped = (text: string): string => (text.startsWith(MARK) ? MARK + text : text);

/** @returns an event of the service, or data text */
export function read(text: string): ServiceEvent | string {
  if (!text.startsWith(MARK)) return text;
  return text[1] === MARK ? text.slice(1) : (JSON.parse(text.slice(1)) as ServiceEvent);
}

/** Bytes of a message in UTF-8. */
export function sizeOf(data: Wire): number {
  if (typeof data !== 'string') return data.byteLength;
  let bytes = data.length;
  for (let i = 0; i < data.length; i++) {
    const code = data.charCodeAt(i);
    if (code > 0x7f) bytes += code > 0x7ff && (code < 0xd800 || code > 0xdfff) ? 2 : 1;
  }
  return bytes;
}
