// `/v1/docs/`: the operations to look at and to try, by Swagger UI out of its package. Nothing is asked of any other
// server, and no script runs but those of this origin.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import express, { type RequestHandler, type Router } from 'express';
import { PAGE_POLICY } from './page-policy.ts';

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Baton control API</title>
<link rel="stylesheet" href="swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="swagger-ui-bundle.js"></script>
<script src="start.js"></script>
</body>
</html>
`;

const START = `SwaggerUIBundle({
  url: '../openapi.json',
  dom_id: '#api',
  deepLinking: true,
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
});
`;

const FILES = ['swagger-ui.css', 'swagger-ui-bundle.js'];

const protect: RequestHandler = (_request, response, next) => {
  response.set({
    'Content-Security-Policy': PAGE_POLICY,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  });
  next();
};

/** What is published brings the files along: the package itself would report its installation to its makers. */
function assets(): string {
  const published = fileURLToPath(new URL('./swagger-ui/', import.meta.url));
  if (existsSync(published)) return published;
  return path.dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
}

export function docsPage(): Router {
  const folder = assets();
  const router = express.Router({ strict: true });
  router.use(protect);
  router.get('/', ({ baseUrl, originalUrl }, response) => {
    // relative links need the slash
    if (originalUrl.split('?')[0] === baseUrl) response.redirect(308, `${baseUrl}/`);
    else response.type('html').send(PAGE);
  });
  router.get('/start.js', (_request, response) => void response.type('js').send(START));
  for (const file of FILES)
    router.get(`/${file}`, (_request, response) =>
      response.sendFile(path.join(folder, file), { maxAge: '1h' }),
    );
  return router;
}
