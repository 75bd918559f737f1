// How many calls of a host are under way at a time, in all and for one tenant. The others wait for their turn: first come,
// first served within a tenant, one tenant after the other between them.

/** Of all tenants together. */
export const MAX_CALLS_AT_ONCE = 1_024;
/** Of one tenant; also connections to one function server. */
export const MAX_TENANT_CALLS = 256;
/** Calls of one tenant that wait, unless its quota says otherwise, and of all together. */
const MAX_TENANT_WAITING = 10_000;
const MAX_WAITING = 50_000;

interface Tenant {
  name: string;
  running: number;
  most: number;
  waiting: Set<() => void>;
}

export class Turns {
  private free = MAX_CALLS_AT_ONCE;
  private waiting = 0;
  private readonly tenants = new Map<string, Tenant>();
  /** Those whose calls wait for nothing but their turn among tenants; the first one is next. */
  private readonly ready = new Set<Tenant>();

  /**
   * @param most calls of this tenant at a time
   * @param mostWaiting calls of this tenant that wait
   * @returns `full`: too many wait; `late`: its turn did not come in time; after `taken`, `give` has to follow
   */
  take(
    name: string,
    ms: number,
    most = MAX_TENANT_CALLS,
    mostWaiting = MAX_TENANT_WAITING,
  ): 'taken' | 'full' | Promise<'taken' | 'late'> {
    const tenant = this.tenants.get(name) ?? { name, running: 0, most, waiting: new Set() };
    tenant.most = most;
    if (this.free > 0 && tenant.running < most && tenant.waiting.size === 0) {
      this.tenants.set(name, tenant);
      this.begin(tenant);
      return 'taken';
    }
    if (tenant.waiting.size >= mostWaiting || this.waiting >= MAX_WAITING) return 'full';
    this.tenants.set(name, tenant);
    return this.wait(tenant, ms);
  }

  /** A call is through. */
  give(name: string): void {
    const tenant = this.tenants.get(name)!;
    this.free++;
    tenant.running--;
    this.review(tenant);
    this.serve();
  }

  private serve(): void {
    while (this.free > 0) {
      const [next] = this.ready;
      if (!next) return;
      this.ready.delete(next); // if it goes on waiting it comes after the others
      next.waiting.values().next().value!();
    }
  }

  private begin(tenant: Tenant): void {
    this.free--;
    tenant.running++;
  }

  private wait(tenant: Tenant, ms: number): Promise<'taken' | 'late'> {
    return new Promise((resolve) => {
      const turn = () => {
        clearTimeout(timer);
        this.begin(tenant);
        leave('taken');
      };
      const leave = (result: 'taken' | 'late') => {
        tenant.waiting.delete(turn);
        this.waiting--;
        this.review(tenant);
        resolve(result);
      };
      const timer = setTimeout(leave, ms, 'late');
      tenant.waiting.add(turn);
      this.waiting++;
      this.review(tenant);
      this.serve(); // it may have more turns than before
    });
  }

  /** Whether its next call may begin; a tenant without calls is forgotten. */
  private review(tenant: Tenant): void {
    if (tenant.waiting.size > 0 && tenant.running < tenant.most) this.ready.add(tenant);
    else this.ready.delete(tenant);
    if (tenant.waiting.size === 0 && tenant.running === 0) this.tenants.delete(tenant.name);
  }
}
