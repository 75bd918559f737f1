// Where one is in the page: `#/sockets/<id>`.
import { useSyncExternalStore } from 'react';

export interface Route {
  view: string;
  id: string | undefined;
}

let hash = location.hash;
let current = parse(hash);

function parse(text: string): Route {
  const [view = '', ...rest] = text.replace(/^#\/?/, '').split('/');
  const id = rest.join('/');
  return { view: view || 'overview', id: id ? decodeURIComponent(id) : undefined };
}

export const useRoute = (): Route =>
  useSyncExternalStore(
    (listener) => {
      addEventListener('hashchange', listener);
      return () => removeEventListener('hashchange', listener);
    },
    () => {
      if (hash !== location.hash) {
        hash = location.hash;
        current = parse(hash);
      }
      return current;
    },
  );

export const linkTo = (view: string, id?: string): string =>
  `#/${view}${id === undefined ? '' : `/${encodeURIComponent(id)}`}`;
