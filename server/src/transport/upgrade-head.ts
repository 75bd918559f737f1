// The head of an upgrade request as it stands in what was read first. It knows one spelling only, the one that clients
// use; of everything else it says that it does not know it, and Node's HTTP server answers that.

/** A request line and header fields, in the form that Node gives them. */
export interface UpgradeHead {
  /** Path and query as the client sent them. */
  url: string;
  /** Names and values in turn. */
  rawHeaders: string[];
  /** Bytes it takes, with the empty line at its end. */
  length: number;
}

const G = 0x47;
const SPACE = 0x20;
const TAB = 0x09;
/** RFC 9112 §3; of a target only what URLs consist of, and no fragment. */
const REQUEST_LINE = /^GET (\/[!"$-~]*) HTTP\/1\.1$/;
/** token of RFC 9110 §5.6.2 */
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** RFC 9110 §5.5 */
const VALUE = /^[\t -~\x80-\xff]*$/;
const UPGRADE = /(?:^|,)[\t ]*upgrade[\t ]*(?:,|$)/i;
/** Fields that are there for a body, or for whoever is to send one. */
const OF_BODIES = new Set(['content-length', 'transfer-encoding', 'expect', 'trailer', 'te']);
/** Header fields of a request that is read here. */
const MAX_FIELDS = 100;

/**
 * @param bytes what a client sent first, `bytes[0, length)`
 * @param most  bytes that a head may have
 * @returns undefined for what is no whole head of an upgrade to a WebSocket, or is written in an unusual way
 */
export function readUpgradeHead(bytes: Buffer, length: number, most: number): UpgradeHead | undefined {
  if (bytes[0] !== G) return undefined;
  const text = bytes.toString('latin1', 0, Math.min(length, most));
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  let at = text.indexOf('\r\n');
  const url = REQUEST_LINE.exec(text.slice(0, at))?.[1];
  if (url === undefined) return undefined;
  const rawHeaders: string[] = [];
  let upgrades = 0;
  let connections = 0;
  let hosts = 0;
  while (at < end) {
    const start = at + 2;
    at = text.indexOf('\r\n', start);
    const colon = text.indexOf(':', start);
    if (colon < 0 || colon > at || rawHeaders.length >= 2 * MAX_FIELDS) return undefined;
    const name = text.slice(start, colon);
    const value = trimmed(text, colon + 1, at);
    if (!NAME.test(name) || !VALUE.test(value)) return undefined;
    rawHeaders.push(name, value);
    const known = name.toLowerCase();
    if (known === 'upgrade') {
      if (++upgrades > 1 || value.toLowerCase() !== 'websocket') return undefined;
    } else if (known === 'connection') {
      if (++connections > 1 || !UPGRADE.test(value)) return undefined;
    } else if (known === 'host') {
      if (++hosts > 1) return undefined; // RFC 9112 §3.2
    } else if (OF_BODIES.has(known)) return undefined;
  }
  return upgrades === 1 && connections === 1 && hosts === 1
    ? { url, rawHeaders, length: end + 4 }
    : undefined;
}

/** Without the whitespace around it. By hand: an expression for its end looks at every space of it again and again. */
function trimmed(text: string, start: number, end: number): string {
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

const isBlank = (code: number): boolean => code === SPACE || code === TAB;
