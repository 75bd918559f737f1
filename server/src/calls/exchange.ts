// One request and its answer, with as little work as HTTP allows: no streams, no signals, no promise per step.
import type { Dispatcher } from 'undici';
import { Failure, refusedWith } from './failure.ts';

/** Longest answer that is read, in bytes, unless its endpoint says otherwise. */
const MAX_REPLY_BYTES = 64 * 1024;

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

export interface Exchange {
  answer: Promise<Answer>;
  /** Whether the answer has begun, and was one of success. */
  readonly confirmed: boolean;
}

/**
 * Makes a request. Its connection is to have no timeouts of its own.
 * @param ms until the end of the answer
 * @param maxReply bytes of it
 * @throws Failure, TimeoutError, or what the connection failed with
 */
export function exchange(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  ms: number,
  maxReply = MAX_REPLY_BYTES,
): Exchange {
  const handler = new Handler(ms, maxReply);
  dispatcher.dispatch(request, handler);
  return handler;
}

const EMPTY = Buffer.alloc(0);

class Handler implements Exchange, Dispatcher.DispatchHandler {
  readonly answer: Promise<Answer>;
  private resolve!: (answer: Answer) => void;
  private reject!: (error: unknown) => void;
  private controller: Dispatcher.DispatchController | undefined;
  private late: Error | undefined;
  private status = 0;
  private headers: Answer['headers'] = {};
  private readonly chunks: Buffer[] = [];
  private size = 0;
  private readonly most: number;
  private readonly timer: NodeJS.Timeout;

  constructor(ms: number, most: number) {
    this.most = most;
    this.answer = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.timer = setTimeout(() => this.expire(), ms);
  }

  get confirmed(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.late) controller.abort(this.late);
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Answer['headers']): void {
    this.status = status;
    this.headers = headers;
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.size += chunk.length;
    if (this.size <= this.most) this.chunks.push(chunk);
    else if (!this.confirmed) controller.abort(refusedWith(this.status, this.headers));
    else controller.abort(new Failure(`its answer is longer than ${this.most} bytes`));
  }

  onResponseEnd(): void {
    clearTimeout(this.timer);
    const { chunks } = this;
    const body = chunks.length > 1 ? Buffer.concat(chunks) : (chunks[0] ?? EMPTY);
    this.resolve({ status: this.status, headers: this.headers, body });
  }

  onResponseError(_: unknown, error: Error): void {
    clearTimeout(this.timer);
    this.reject(error);
  }

  /** Also while it waits for a connection: then it is not sent any more. */
  private expire(): void {
    this.late = new DOMException('late', 'TimeoutError');
    this.reject(this.late);
    this.controller?.abort(this.late);
  }
}
