// Every error Baton raises on purpose, made in one place. docs/errors.md lists the same codes; a test holds
// the two equal.

/** An error with a stable code of the catalogue, an HTTP status for the control API and a text for people. */
export class BatonError extends Error {
  readonly code: string;
  /** HTTP status (RFC 9110) with which the control API answers. */
  readonly status: number;
  /** Machine-readable particulars (ids, names, limits); never secrets. */
  readonly details: Record<string, unknown>;

  constructor(
    code: string,
    status: number,
    message: string,
    details: Record<string, unknown> = {},
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'BatonError';
    this.code = code;
    this.status = status;
    this.details = details;
  }

  /** Plain form that survives structured clone and JSON; `fromJSON` makes the error again on the other side. */
  toJSON(): { code: string; status: number; message: string; details: Record<string, unknown> } {
    return { code: this.code, status: this.status, message: this.message, details: this.details };
  }

  static fromJSON(json: {
    code: string;
    status: number;
    message: string;
    details?: Record<string, unknown>;
  }): BatonError {
    return new BatonError(json.code, json.status, json.message, json.details ?? {});
  }
}

type Details = Record<string, unknown>;
type Make = (details?: Details, cause?: unknown) => BatonError;

/** Code → the function that makes the error. Filled by `define` below. */
export const catalogue = new Map<string, { status: number; summary: string }>();

/**
 * @param code     `BATON_…`, unique
 * @param status   HTTP status of the control API's answer
 * @param template text; `{name}` is replaced by `details.name`
 */
function define(code: string, status: number, template: string): Make {
  catalogue.set(code, { status, summary: template });
  return (details = {}, cause) =>
    new BatonError(
      code,
      status,
      template.replace(/\{(\w+)\}/g, (whole, key: string) =>
        details[key] === undefined ? whole : String(details[key]),
      ),
      details,
      cause,
    );
}

// --- start-up and configuration
export const unsupportedColyseus = define(
  'BATON_UNSUPPORTED_COLYSEUS',
  500,
  '{package} {found} is installed, but Baton was tested with {expected} only. Install {package}@{expected}.',
);
export const appNotFound = define(
  'BATON_APP_NOT_FOUND',
  400,
  'No app at {path}. Pass the file whose default export is defineServer(...) or config(...).',
);
export const appInvalid = define(
  'BATON_APP_INVALID',
  400,
  'The default export of {path} is {found}; expected the result of defineServer(...) or config(...).',
);
export const appFailed = define('BATON_APP_FAILED', 500, '{path} did not load: {reason}');
export const portInUse = define(
  'BATON_PORT_IN_USE',
  409,
  'Port {port} is already in use. Stop the other server or choose another port with --port.',
);
export const hostFailedToStart = define('BATON_HOST_FAILED', 500, 'Host {host} did not start: {reason}');
export const invalidOption = define('BATON_INVALID_OPTION', 400, '{option}: {reason}');
export const usage = define('BATON_USAGE', 400, 'Wrong usage: {reason}. See `baton --help`.');
export const folderInUse = define(
  'BATON_FOLDER_IN_USE',
  409,
  '{path} {reason}. Nothing was written; choose a folder that is empty or not there yet.',
);
export const noService = define(
  'BATON_NO_SERVICE',
  503,
  'No Baton service answers at {url}. Start one with `baton start`.',
);
export const unauthorized = define('BATON_UNAUTHORIZED', 401, 'The control API needs a valid bearer token.');
export const keyForbidden = define('BATON_KEY_FORBIDDEN', 403, 'The API key may not do this: {reason}.');
export const serviceTimeout = define(
  'BATON_SERVICE_TIMEOUT',
  504,
  'The service at {url} did not answer within {ms} ms.',
);
export const serviceLost = define(
  'BATON_SERVICE_LOST',
  502,
  'The service at {url} was asked, but its answer did not come: {reason}. See `baton status` for what was done.',
);
export const runtimeDirUnsafe = define(
  'BATON_RUNTIME_DIR_UNSAFE',
  403,
  'The runtime directory {path} cannot be used: {reason}',
);
export const reloadInProgress = define(
  'BATON_RELOAD_IN_PROGRESS',
  409,
  'A reload is already under way. Wait until it is through.',
);
export const stopping = define('BATON_STOPPING', 503, 'The service is stopping.');

// --- simulation
export const matchmakerInvalid = define('BATON_MATCHMAKER_INVALID', 400, 'Matchmaker {file}: {reason}');
export const traceInvalid = define('BATON_TRACE_INVALID', 400, '{file}, line {line}: {reason}');
export const simulationFailed = define('BATON_SIMULATION_FAILED', 422, '{matchmaker}: {reason}');

// --- handoff
export const handoffUnsupported = define(
  'BATON_HANDOFF_UNSUPPORTED',
  501,
  'Descriptors cannot be handed over on {platform}: {reason}. Rooms run here but do not move.',
);
export const handoffPeerGone = define('BATON_HANDOFF_PEER_GONE', 503, 'The process behind {peer} is gone.');
export const handoffStranger = define(
  'BATON_HANDOFF_STRANGER',
  403,
  'A process of user {uid} tried to hand something over; only user {expected} may.',
);
export const handoffProtocol = define(
  'BATON_HANDOFF_PROTOCOL',
  502,
  'A handoff message is malformed: {reason}',
);
export const handoffTimeout = define(
  'BATON_HANDOFF_TIMEOUT',
  504,
  '{peer} did not answer {method} within {ms} ms.',
);
export const handoffTooLarge = define(
  'BATON_HANDOFF_TOO_LARGE',
  413,
  'A handoff message of {bytes} bytes exceeds the limit of {limit}.',
);
export const handoffInUse = define('BATON_HANDOFF_IN_USE', 409, 'Another process listens on {path}.');
export const handoffFailed = define('BATON_HANDOFF_FAILED', 500, 'The peer failed at {method}: {reason}');

// --- connections
export const connectionGone = define(
  'BATON_CONNECTION_GONE',
  409,
  'The connection of {address} is closed, closing or already detached.',
);

// --- moves
export const roomNotFound = define('BATON_ROOM_NOT_FOUND', 404, 'There is no room {roomId}.');
export const hostNotFound = define('BATON_HOST_NOT_FOUND', 404, 'There is no host {host}.');
export const moveToSelf = define('BATON_MOVE_TO_SELF', 409, 'Room {roomId} already runs on {host}.');
export const moveInProgress = define('BATON_MOVE_IN_PROGRESS', 409, 'Room {roomId} is already moving.');
export const roomDisposing = define('BATON_ROOM_DISPOSING', 409, 'Room {roomId} is being disposed.');
export const roomBusy = define(
  'BATON_ROOM_BUSY',
  409,
  'Room {roomId} did not come to rest within {ms} ms: {reason}',
);
export const roomImmovable = define('BATON_ROOM_IMMOVABLE', 422, 'Room {roomId} cannot move: {reason}');
export const roomClassMissing = define(
  'BATON_ROOM_CLASS_MISSING',
  422,
  'Host {host} does not define the room "{roomName}".',
);
export const schemaMismatch = define(
  'BATON_SCHEMA_MISMATCH',
  422,
  'The state of "{roomName}" has another schema on {host}: {reason}',
);
export const handlersMismatch = define(
  'BATON_HANDLERS_MISMATCH',
  422,
  'Room "{roomName}" handles other messages on {host}: {reason}',
);
export const hostDraining = define('BATON_HOST_DRAINING', 409, 'Host {host} is draining and takes no rooms.');
export const hostUnreachable = define(
  'BATON_HOST_UNREACHABLE',
  503,
  'Host {host} cannot be reached: {reason}',
);
export const noTarget = define('BATON_NO_TARGET', 503, 'No other host can take the rooms of {host}.');
export const moveFailed = define('BATON_MOVE_FAILED', 500, 'Room {roomId} stays where it is: {reason}');
export const ownershipLost = define(
  'BATON_OWNERSHIP_LOST',
  409,
  'Room {roomId} is owned by {owner} at epoch {epoch}; {host} may not write it.',
);
export const reloadFailed = define(
  'BATON_RELOAD_FAILED',
  500,
  'The new code did not take over: {reason}. The old hosts go on.',
);

// --- store
export const storeUnavailable = define(
  'BATON_STORE_UNAVAILABLE',
  503,
  'The store at {url} cannot be reached: {reason}',
);
export const storeInUse = define('BATON_STORE_IN_USE', 409, 'Another store already answers at {path}.');
export const hostIdTaken = define(
  'BATON_HOST_ID_TAKEN',
  409,
  'Host id {host} belongs to another process ({processId}).',
);

// --- sockets, mappings, calls
export const mappingInvalid = define('BATON_MAPPING_INVALID', 400, 'Mapping {mapping}: {reason}');
export const mappingNotFound = define('BATON_MAPPING_NOT_FOUND', 404, 'There is no mapping {mapping}.');
export const endpointForbidden = define(
  'BATON_ENDPOINT_FORBIDDEN',
  403,
  'Endpoints may not be at {url}: {reason}.',
);
export const endpointUnproven = define(
  'BATON_ENDPOINT_UNPROVEN',
  422,
  'The endpoint {url} does not say that it wants calls: {reason}.',
);
export const callFailed = define(
  'BATON_CALL_FAILED',
  502,
  'The {event} function of mapping {mapping} failed: {reason}',
);
export const socketNotFound = define('BATON_SOCKET_NOT_FOUND', 404, 'There is no socket {socketId}.');
export const linkSelf = define('BATON_LINK_SELF', 422, 'Socket {socketId} cannot be linked with itself.');
export const linkGone = define('BATON_LINK_GONE', 404, 'Socket {peer} is gone.');
export const linkTaken = define('BATON_LINK_TAKEN', 409, '{what} is taken: {reason}.');
export const linkTimeout = define('BATON_LINK_TIMEOUT', 504, '{what} did not {how} within {ms} ms.');
export const linkStale = define(
  'BATON_LINK_STALE',
  409,
  'The link of socket {socketId} was not changed: {reason}.',
);
export const linkForeign = define(
  'BATON_LINK_FOREIGN',
  404,
  'Socket {peer} belongs to another tenant than socket {socketId}, which is told that it is gone.',
);
export const roomUnsupported = define(
  'BATON_ROOM_UNSUPPORTED',
  422,
  'There is no room "{roomName}" for these peers: one of them speaks plain WebSocket.',
);
export const roomFailed = define(
  'BATON_ROOM_FAILED',
  502,
  'The room "{roomName}" is not for this socket: {reason}',
);
export const notLinked = define(
  'BATON_NOT_LINKED',
  409,
  'The message went nowhere: this socket has no peer and waits for none.',
);
export const messageReserved = define(
  'BATON_MESSAGE_RESERVED',
  422,
  'The message type "{type}" belongs to the service; send under another one.',
);
export const messageUnknown = define(
  'BATON_MESSAGE_UNKNOWN',
  422,
  'The service does not understand this message. Data that begin with U+0001 are sent with another one in front.',
);
export const messageUntranslatable = define(
  'BATON_MESSAGE_UNTRANSLATABLE',
  422,
  'The peer speaks plain WebSocket: only messages of the type "data" reach it.',
);
export const heldOverflow = define(
  'BATON_HELD_OVERFLOW',
  413,
  'More than {limit} bytes were sent before the peer was there to take them.',
);
export const messageTooLarge = define(
  'BATON_MESSAGE_TOO_LARGE',
  413,
  'A message has more than {limit} bytes.',
);
export const tooManyMessages = define(
  'BATON_TOO_MANY_MESSAGES',
  429,
  'More than {limit} messages were sent within a second.',
);
export const receiveOverflow = define(
  'BATON_RECEIVE_OVERFLOW',
  413,
  'More was sent than may wait for the receive function: {limit}.',
);
export const receiveMissing = define(
  'BATON_RECEIVE_MISSING',
  422,
  'Mapping {mapping} has no receive function that could answer a request.',
);
export const resumeFailed = define(
  'BATON_RESUME_FAILED',
  410,
  'The client cannot go on with its socket: {reason}. Open another one.',
);
export const protocolUnsupported = define(
  'BATON_PROTOCOL_UNSUPPORTED',
  426,
  'The client speaks {protocol}, this service {known}. {remedy}',
);
export const messageUnrouted = define(
  'BATON_MESSAGE_UNROUTED',
  422,
  'No receive endpoint of mapping {mapping} takes this message.',
);
export const deadLetterNotFound = define(
  'BATON_DEAD_LETTER_NOT_FOUND',
  404,
  'There is no dead letter {number}.',
);
export const socketIdle = define('BATON_SOCKET_IDLE', 408, 'Nothing was said for {ms} ms.');
export const tokenInvalid = define('BATON_TOKEN_INVALID', 401, 'The token is not accepted: {reason}');
export const tokenExpired = define('BATON_TOKEN_EXPIRED', 401, 'The token expired at {at}; get a new one.');
export const tokenKeysUnavailable = define(
  'BATON_TOKEN_KEYS_UNAVAILABLE',
  503,
  'The keys that tokens of tenant {tenant} are checked with could not be fetched: {reason}',
);
export const tokenPolicyMissing = define(
  'BATON_TOKEN_POLICY_MISSING',
  409,
  "Tenant {tenant} has mappings, but does not say how players' tokens are verified. Add " +
    "`tokens: { secrets: [process.env.TOKEN_SECRET] }` or `tokens: { jwks: 'https://…', audience: '…' }` {where}. " +
    'For development only: `baton start --dev` takes any token as the name of its player.',
);
export const tenantNotFound = define('BATON_TENANT_NOT_FOUND', 404, 'There is no tenant {tenant}.');
export const quotaSockets = define(
  'BATON_QUOTA_SOCKETS',
  429,
  'Tenant {tenant} has as many sockets as it may have: {limit}.',
);
export const mappingDeclared = define(
  'BATON_MAPPING_DECLARED',
  409,
  'Mapping {mapping} is declared in baton.config: change it there and reload the service.',
);
export const tooManyMappings = define(
  'BATON_TOO_MANY_MAPPINGS',
  429,
  'Tenant {tenant} has as many mappings as it may have: {limit}.',
);
export const keyNotFound = define('BATON_KEY_NOT_FOUND', 404, 'There is no API key {key}.');
export const tooManyKeys = define(
  'BATON_TOO_MANY_KEYS',
  429,
  'Tenant {tenant} has as many API keys as it may have: {limit}. Revoke some.',
);
export const scopeExceeded = define(
  'BATON_SCOPE_EXCEEDED',
  403,
  'A key cannot be given what its maker has not: {scopes}.',
);

// --- hosted functions
export const functionsUnsupported = define(
  'BATON_FUNCTIONS_UNSUPPORTED',
  501,
  'Functions cannot be hosted here: {reason}. Endpoints with a URL are unaffected.',
);
export const functionNotFound = define('BATON_FUNCTION_NOT_FOUND', 404, 'There is no function {function}.');
export const functionInvalid = define(
  'BATON_FUNCTION_INVALID',
  422,
  'Function {function} does not start: {reason}.',
);
export const bundleTooLarge = define(
  'BATON_FUNCTION_TOO_LARGE',
  413,
  'The bundle of function {function} has {bytes} bytes, more than the limit of {limit}.',
);
export const functionsFull = define(
  'BATON_FUNCTIONS_FULL',
  409,
  'There are {limit} functions already. Delete one first.',
);
export const functionConflict = define(
  'BATON_FUNCTION_CONFLICT',
  409,
  '{function} was changed by others at the same time. Try again.',
);
export const functionDown = define('BATON_FUNCTION_DOWN', 503, 'Function {function} does not run: {reason}.');
export const secretsUnavailable = define(
  'BATON_SECRETS_UNAVAILABLE',
  501,
  'Secrets cannot be kept or read: {reason}.',
);
export const secretNotFound = define('BATON_SECRET_NOT_FOUND', 404, 'There is no secret {secret}.');
export const secretInUse = define(
  'BATON_SECRET_IN_USE',
  409,
  'Secret {secret} is used by function {function}.',
);
export const secretsFull = define(
  'BATON_SECRETS_FULL',
  409,
  'There are {limit} secrets already. Delete one first.',
);

export const notFound = define('BATON_NOT_FOUND', 404, 'There is nothing at {path}.');
export const invalidRequest = define('BATON_INVALID_REQUEST', 400, '{reason}');
export const methodNotAllowed = define(
  'BATON_METHOD_NOT_ALLOWED',
  405,
  '{path} does not take {method}; it takes {allowed}.',
);
export const bodyTooLarge = define(
  'BATON_BODY_TOO_LARGE',
  413,
  'The request body exceeds the limit of {limit} bytes.',
);
export const unsupportedMediaType = define(
  'BATON_UNSUPPORTED_MEDIA_TYPE',
  415,
  'The request body must be {expected}.',
);
export const tooManyViewers = define(
  'BATON_TOO_MANY_VIEWERS',
  429,
  '{what} has {limit} viewers of events already. Close one, or try again later.',
);
export const rateLimited = define(
  'BATON_RATE_LIMITED',
  429,
  'Too many requests: more than {limit} within {seconds} s. Try again in {retryAfter} s.',
);
export const idempotencyConflict = define(
  'BATON_IDEMPOTENCY_CONFLICT',
  422,
  'This Idempotency-Key came with another request before.',
);
export const idempotencyInProgress = define(
  'BATON_IDEMPOTENCY_IN_PROGRESS',
  409,
  'The first request with this Idempotency-Key is still being carried out. Try again in {retryAfter} s.',
);
export const idempotencyNotKept = define(
  'BATON_IDEMPOTENCY_NOT_KEPT',
  409,
  'The request was carried out with status {status}; its answer is not given again.',
);
export const notReady = define('BATON_NOT_READY', 503, 'This host does not take requests yet: {reason}');
export const internalError = define(
  'BATON_INTERNAL',
  500,
  'The request failed inside the service; its log has the reason.',
);

/** What was thrown, as an error of the catalogue: what is none becomes `BATON_INTERNAL` with it as the cause. */
export function asBatonError(thrown: unknown): BatonError {
  return thrown instanceof BatonError ? thrown : internalError({}, thrown);
}
