// The order of the pages. A test holds that every page of docs/ is here once.

export interface Group {
  text: string;
  /** Files of docs/ without their suffix, or paths from the repository's root. */
  pages: string[];
}

export const groups: Group[] = [
  { text: 'Begin', pages: ['index', 'tutorial', 'colyseus', 'coming-from', 'faq'] },
  {
    text: 'Hosted sockets',
    pages: [
      'sockets',
      'client',
      'links',
      'rooms',
      'functions',
      'matchmaking',
      'simulator',
      'tenants',
      'conformance',
    ],
  },
  { text: 'Live rooms', pages: ['architecture', 'migration', 'transport', 'handoff', 'store'] },
  {
    text: 'Running it',
    pages: ['deploying', 'production', 'dashboard', 'bots', 'benchmarks', 'security'],
  },
  {
    text: 'Reference',
    pages: ['cli', 'control-api', 'errors', 'limits', 'metrics', 'compatibility'],
  },
  { text: 'The project', pages: ['CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'] },
];

/** Pages outside of docs/ → where the site has them. */
export const OUTSIDE: Record<string, string> = {
  'CHANGELOG.md': 'changelog',
  'CONTRIBUTING.md': 'contributing',
  'SECURITY.md': 'security-reports',
};

/** Path of a page in the repository. */
export const fileOf = (page: string): string => (page in OUTSIDE ? page : `docs/${page}.md`);
