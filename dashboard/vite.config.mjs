import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  // it is served below /dashboard/
  base: './',
  plugins: [react()],
  build: {
    target: 'es2023',
    // the page's policy allows no data: but for pictures, and a file can be cached
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // of the libraries that are in it
    license: { fileName: 'LICENSES.md' },
    reportCompressedSize: false,
  },
});
