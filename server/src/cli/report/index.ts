// Reports as one HTML file that needs nothing else: charts with their numbers as tables below, for `simulate` and `bots`.
export { type Chart, lineUp, reportPage, type Section, type Series, type Table } from './page.ts';
