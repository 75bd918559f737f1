// `/dashboard/`: the page, as `dashboard/` builds it. It is one document that asks this origin alone for anything, and
// what it shows comes over the control API with the key that is given to it: here is nothing secret.
import { existsSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import express, { type RequestHandler, type Router } from 'express';
import { PAGE_POLICY } from '../control/index.ts';

/** Names of files change with what is in them. */
const FOR_EVER = 'public, max-age=31536000, immutable';

const NOT_BUILT = 'The dashboard is not built. In a checkout: npm run dashboard\n';

const protect: RequestHandler = (_request, response, next) => {
  response.set({
    'Content-Security-Policy': PAGE_POLICY,
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
  });
  next();
};

/** What is published has the files beside this one; a checkout, where `dashboard/` was built. */
function builtPage(): string {
  const published = fileURLToPath(new URL('./page/', import.meta.url));
  return existsSync(published)
    ? published
    : fileURLToPath(new URL('../../../dashboard/dist/', import.meta.url));
}

/** @param folder with `index.html` and `assets/`, whose names change with what is in them */
export function dashboardPage(folder: string = builtPage()): Router {
  const router = express.Router({ strict: true, caseSensitive: true });
  router.use(protect);
  router.get('/', ({ baseUrl, originalUrl }, response) => {
    // relative links need the slash
    if (originalUrl.split('?')[0] === baseUrl) return response.redirect(308, `${baseUrl}/`);
    const file = path.join(folder, 'index.html');
    if (!existsSync(file)) return response.status(503).type('text').send(NOT_BUILT);
    response.set('Cache-Control', 'no-cache').sendFile(file, { cacheControl: false, dotfiles: 'allow' });
  });
  // the control API has said no-store already, which express.static would leave
  const setHeaders = (response: ServerResponse) => void response.setHeader('Cache-Control', FOR_EVER);
  router.use('/assets', express.static(path.join(folder, 'assets'), { index: false, setHeaders }));
  router.use((_request, response) => void response.status(404).type('text').send('There is no such page.\n'));
  return router;
}
