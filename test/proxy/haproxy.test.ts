// Debian's haproxy with deploy/haproxy.cfg in front of a service.
import { behind } from './play.ts';

behind('haproxy', {
  sample: 'haproxy.cfg',
  changes: (port, _upstream, certificate) => [
    ['bind :443', `bind 127.0.0.1:${port}`],
    ['/etc/ssl/private/game.example.com.pem', certificate.both],
    // fewer than a test machine may forbid
    ['maxconn 65536', 'maxconn 512'],
  ],
  command: (file) => ['haproxy', '-db', '-f', file],
});
