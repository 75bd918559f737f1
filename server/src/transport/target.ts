// What a request's target says. Most are spelled so plainly that URL has nothing to do.

/** Path and query of a request. */
export interface Target {
  readonly pathname: string;
  readonly searchParams: URLSearchParams;
}

/** Paths that URL leaves as they are. */
const PLAIN_PATH = /^(?:\/[\w-]+)+$/;

class PlainTarget implements Target {
  readonly pathname: string;
  /** With its question mark, of which URLSearchParams takes away one. */
  private readonly query: string;
  private parsed: URLSearchParams | undefined;

  constructor(pathname: string, query: string) {
    this.pathname = pathname;
    this.query = query;
  }

  get searchParams(): URLSearchParams {
    return (this.parsed ??= new URLSearchParams(this.query));
  }
}

/** @returns undefined for what is no path */
export function targetOf(url: string): Target | undefined {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  if (PLAIN_PATH.test(path) && !url.includes('#'))
    return new PlainTarget(path, mark < 0 ? '' : url.slice(mark));
  return URL.parse(`ws://server${url}`) ?? undefined;
}
