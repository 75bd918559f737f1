// Ranges of IP addresses, as an operator gives them.
import net from 'node:net';

/** `::ffff:a.b.c.d` in the spelling of URL. */
const MAPPED = /^::ffff:(?:([0-9a-f]{1,4}):([0-9a-f]{1,4})|(\d+\.\d+\.\d+\.\d+))$/i;

/** The IPv4 address inside an IPv4-mapped IPv6 one (RFC 4291 §2.5.5.2), else the address itself. */
export function unmapped(address: string): string {
  if (!net.isIPv6(address)) return address;
  const found = MAPPED.exec(new URL(`http://[${address.split('%')[0]}]`).hostname.slice(1, -1));
  if (!found) return address;
  if (found[3]) return found[3];
  const [high, low] = [Number.parseInt(found[1]!, 16), Number.parseInt(found[2]!, 16)];
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}

export class AddressRanges {
  private readonly list = new net.BlockList();

  /** @param cidrs `10.0.0.0/8`, `2001:db8::/32` */
  constructor(cidrs: readonly string[]) {
    for (const cidr of cidrs) {
      const [address, prefix] = cidr.split('/');
      this.list.addSubnet(address!, Number(prefix), net.isIPv6(address!) ? 'ipv6' : 'ipv4');
    }
  }

  /** Whether an address is in one of them. Anything else than an address is in none. */
  has(address: string): boolean {
    const bare = unmapped(address);
    const family = net.isIP(bare);
    return family !== 0 && this.list.check(bare, family === 6 ? 'ipv6' : 'ipv4');
  }
}
