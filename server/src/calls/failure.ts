// What became of an attempt that brought no usable answer, and what follows from it.

/** Neither addresses nor errors of the system are in its message, which players see: they are in its cause. */
export class Failure extends Error {
  override readonly name = 'Failure';
  /** Another attempt cannot do twice what the function has already done. */
  readonly repeatable: boolean;
  /** The endpoint itself is in trouble, as opposed to this call. */
  readonly trouble: boolean;
  /** When the endpoint wants to be asked again, in milliseconds from then. */
  readonly after: number | undefined;
  /** Attempts made in all. */
  attempts = 0;

  constructor(
    reason: string,
    options: { repeatable?: boolean; trouble?: boolean; after?: number; cause?: unknown } = {},
  ) {
    super(reason, { cause: options.cause });
    this.repeatable = options.repeatable ?? false;
    this.trouble = options.trouble ?? false;
    this.after = options.after;
  }
}

/** Before the request was sent: the function knows nothing of it. */
const UNSENT = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** An answer that is none of success. */
export function refusedWith(status: number, headers: Record<string, string | string[] | undefined>): Failure {
  const again = status >= 500 || status === 429;
  return new Failure(`it answered ${status}`, {
    repeatable: again,
    trouble: again,
    after: again ? retryAfter(headers['retry-after']) : undefined,
  });
}

/** @param unanswered whether a call that was sent and not answered is repeated */
export function thrown(error: unknown, timeout: number, unanswered: boolean): Failure {
  if (error instanceof Failure) return error;
  const { name, code, syscall } = error as NodeJS.ErrnoException;
  if (code === 'BATON_ENDPOINT_FORBIDDEN') return new Failure('it may not be called', { cause: error });
  const reason = name === 'TimeoutError' ? `no answer within ${timeout} ms` : 'it cannot be reached';
  const unsent = (code !== undefined && UNSENT.has(code)) || syscall === 'connect';
  return new Failure(reason, { repeatable: unsent || unanswered, trouble: true, cause: error });
}

/** Seconds or a date (RFC 9110, section 10.2.3). */
function retryAfter(value: string | string[] | undefined): number | undefined {
  if (typeof value !== 'string') return undefined;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
