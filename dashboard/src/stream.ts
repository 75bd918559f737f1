// The stream of events, by fetch(): an EventSource could not send the key but in the address. It connects again by
// itself, soon at first and then less often; a connection on which nothing comes, not even a comment, counts as lost.
import { type ApiError, failure } from './api.ts';
import { headersOf, type Session } from './session.ts';

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8_000;
const SILENCE_MS = 7_000;

export interface Listener {
  event(name: string, data: unknown): void;
  /** @param again when it tries again (Date.now()); undefined: it is not going to */
  lost(error: ApiError | undefined, again: number | undefined): void;
  connecting(): void;
}

/** @returns a function that ends it */
export function follow(session: Session, listener: Listener): () => void {
  const ended = new AbortController();
  void run(session, listener, ended.signal);
  return () => ended.abort();
}

async function run(session: Session, listener: Listener, ended: AbortSignal): Promise<void> {
  let failures = 0;
  while (!ended.aborted) {
    listener.connecting();
    const outcome = await connect(session, listener, ended).catch((): Outcome => ({ came: false }));
    if (ended.aborted) return;
    if (outcome.error && (outcome.error.status === 401 || outcome.error.status === 403)) {
      listener.lost(outcome.error, undefined);
      return;
    }
    failures = outcome.came ? 0 : failures + 1;
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures) * (0.75 + Math.random() / 2);
    const asked = (outcome.error?.retryAfter ?? 0) * 1_000;
    const ms = outcome.leaving ? FIRST_PAUSE_MS * Math.random() : Math.max(pause, asked);
    listener.lost(outcome.error, Date.now() + ms);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      const now = () => {
        clearTimeout(timer);
        resolve();
      };
      addEventListener('online', now, { once: true });
      ended.addEventListener('abort', now, { once: true });
    });
  }
}

interface Outcome {
  /** Something came. */
  came: boolean;
  /** The host said that it leaves: others are there. */
  leaving?: boolean;
  error?: ApiError;
}

async function connect(session: Session, listener: Listener, ended: AbortSignal): Promise<Outcome> {
  const silent = new AbortController();
  let timer = setTimeout(() => silent.abort(), SILENCE_MS);
  try {
    const response = await fetch('/v1/events', {
      headers: { ...headersOf(session), accept: 'text/event-stream' },
      signal: AbortSignal.any([ended, silent.signal]),
      cache: 'no-store',
    });
    if (!response.ok) return { came: false, error: await failure(response) };
    const outcome: Outcome = { came: false };
    const events = new EventReader((name, data) => {
      outcome.came = true;
      if (name === 'leaving') outcome.leaving = true;
      else if (name === 'denied') outcome.error = { ...(data as ApiError), status: 401 };
      else listener.event(name, data);
    });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined }));
      if (done || value === undefined) return outcome;
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENCE_MS);
      events.push(value);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Cuts the text into events: HTML Standard §9.2.6, as far as this service uses it. */
class EventReader {
  private readonly said: (name: string, data: unknown) => void;
  private pieces: string[] = [];

  constructor(said: (name: string, data: unknown) => void) {
    this.said = said;
  }

  push(text: string): void {
    // most of a long event has no end in it: it is put together once, not with every piece
    this.pieces.push(text);
    if (!text.includes('\n')) return;
    const blocks = this.pieces.join('').split('\n\n');
    this.pieces = [blocks.pop()!];
    for (const block of blocks) this.read(block);
  }

  private read(block: string): void {
    let name = 'message';
    let data = '';
    for (const line of block.split('\n')) {
      if (line.startsWith('event: ')) name = line.slice(7);
      else if (line.startsWith('data: ')) data += line.slice(6);
    }
    if (data !== '') this.said(name, JSON.parse(data));
  }
}
