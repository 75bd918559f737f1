// Debian's nginx with deploy/nginx.conf in front of a service.
import { behind } from './play.ts';

const asRoot = process.getuid?.() === 0;
const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  .map((kind) => `${kind}_temp_path ${kind};`)
  .join(' ');

behind('nginx', {
  sample: 'nginx.conf',
  changes: (port, _upstream, certificate) => [
    ['listen 443 ssl;', `listen 127.0.0.1:${port} ssl;`],
    ['listen [::]:443 ssl;', ''],
    ['/etc/ssl/game.example.com.pem', certificate.cert],
    ['/etc/ssl/private/game.example.com.key', certificate.key],
    // fewer than a test machine may forbid, and no files outside the test's folder
    ['worker_rlimit_nofile 200000;', ''],
    ['worker_connections 65536;', 'worker_connections 512;'],
    [/^http \{$/, `http { access_log off; ${temporary}`],
  ],
  command: (file, folder) => {
    const settings = `daemon off; pid nginx.pid; error_log stderr;${asRoot ? ' user root;' : ''}`;
    return ['nginx', '-p', folder, '-c', file, '-e', 'stderr', '-g', settings];
  },
});
