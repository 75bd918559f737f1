// Where endpoints may be: a studio's URL must not make the service speak to the operator's own network. Checked on the
// text of a URL when a mapping is registered, and on the address itself when a connection is made, so that a name that
// resolves to another address by then gains nothing.

import dns from 'node:dns';
import net from 'node:net';
import { buildConnector } from 'undici';
import { endpointForbidden } from '../errors.ts';

/** IANA's special-purpose IPv4 addresses (RFC 6890 and its registry), multicast and reserved ones. */
const SPECIAL_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];
/** Of IPv6 only global unicast is spoken to, without its own special-purpose blocks. */
const GLOBAL_V6 = '2000::/3';
const SPECIAL_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

function blockList(cidrs: readonly string[]): net.BlockList {
  const list = new net.BlockList();
  for (const cidr of cidrs) {
    const [address, prefix] = cidr.split('/');
    list.addSubnet(address!, Number(prefix), net.isIPv6(address!) ? 'ipv6' : 'ipv4');
  }
  return list;
}

const special = blockList([...SPECIAL_V4, ...SPECIAL_V6]);
const globalV6 = blockList([GLOBAL_V6]);
/** `::ffff:a.b.c.d` in the spelling of URL. */
const MAPPED = /^::ffff:(?:([0-9a-f]{1,4}):([0-9a-f]{1,4})|(\d+\.\d+\.\d+\.\d+))$/i;

/** The IPv4 address inside an IPv4-mapped IPv6 one (RFC 4291 §2.5.5.2), else the address itself. */
function unmapped(address: string): string {
  const found = MAPPED.exec(new URL(`http://[${address.split('%')[0]}]`).hostname.slice(1, -1));
  if (!found) return address;
  if (found[3]) return found[3];
  const [high, low] = [Number.parseInt(found[1]!, 16), Number.parseInt(found[2]!, 16)];
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}

export class AddressGuard {
  private readonly allowed: net.BlockList;

  /** @param allowed CIDR ranges that endpoints may be in although they are special, `127.0.0.0/8` for example */
  constructor(allowed: readonly string[] = []) {
    this.allowed = blockList(allowed);
  }

  /** Whether endpoints may be at an IP address. Anything else than an address is not. */
  permits(address: string): boolean {
    const bare = net.isIPv6(address) ? unmapped(address) : address;
    const family = net.isIP(bare);
    if (family === 0) return false;
    const name = family === 6 ? 'ipv6' : 'ipv4';
    if (this.allowed.check(bare, name)) return true;
    if (special.check(bare, name)) return false;
    return family === 4 || globalV6.check(bare, 'ipv6');
  }

  /**
   * What can be said of a URL without asking the DNS. URL knows every spelling of an address (`0x7f.1`, `2130706433`).
   * @throws endpointForbidden
   */
  checkUrl(url: string): void {
    const { hostname, protocol, username, password } = new URL(url);
    const refuse = (reason: string) => {
      throw endpointForbidden({ url: `${protocol}//${hostname}`, reason });
    };
    if (protocol !== 'https:' && protocol !== 'http:') refuse('only http and https endpoints are called');
    if (username || password) refuse('a URL must not carry a user or password');
    const literal = hostname.replace(/^\[|\]$/g, '');
    if (net.isIP(literal) && !this.permits(literal)) refuse(`${literal} is not a public address`);
    if (!net.isIP(literal) && LOCAL_NAME.test(literal) && !this.permits('127.0.0.1')) {
      refuse(`${literal} is a name of this machine`);
    }
  }

  /** A connector for undici that connects to permitted addresses only: the very one that was looked up. */
  connector(options: buildConnector.BuildOptions = {}): buildConnector.connector {
    const connect = buildConnector({ ...options, lookup: (...args) => this.lookup(...args) });
    return (target, callback) => {
      const literal = target.hostname.replace(/^\[|\]$/g, '');
      // A literal address is never looked up.
      if (net.isIP(literal) && !this.permits(literal)) {
        callback(forbidden(literal, literal), null);
        return;
      }
      connect(target, callback);
    };
  }

  private lookup(
    hostname: string,
    options: dns.LookupOptions,
    callback: (error: Error | null, address: any, family?: number) => void,
  ): void {
    dns.lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '', 0);
      // One that points at both is after something.
      const bad = addresses.find(({ address }) => !this.permits(address));
      if (bad) return callback(forbidden(hostname, bad.address), '', 0);
      if (options.all) callback(null, addresses);
      else callback(null, addresses[0]!.address, addresses[0]!.family);
    });
  }
}

const LOCAL_NAME = /^(?:localhost|.*\.localhost|.*\.local|.*\.internal)\.?$/i;

const forbidden = (host: string, address: string) =>
  endpointForbidden({ url: host, reason: `${address} is not a public address` });
