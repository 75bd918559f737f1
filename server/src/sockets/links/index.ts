// Links: who is linked with whom, as records of the store that change in single commits, and the way linked sockets
// come to one host.
export { type GatheredRoom, Gathering, meetingPlace } from './gathering.ts';
export { type LinkedRoom, Linking, type LinkingOptions } from './linking.ts';
export { inform, type News, news, type Standing } from './news.ts';
export { type LinkActions, type Truth, type Wish, wishOf } from './records.ts';
