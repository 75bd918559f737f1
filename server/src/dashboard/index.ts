// What people watch a service with: each host says what it does while somebody looks, the host that a viewer is connected
// to puts that together and passes on what changes, and the page at /dashboard shows it.
export { dashboardPage } from './page.ts';
export { Watch, type WatchOptions } from './watch.ts';
