/** Every code an answer may carry, with its HTTP status and the title of the problem. A closed list. */
export const ERROR_CODES = {
  malformed: [400, 'The request could not be read'],
  assign_not_allowed: [400, 'The task cannot be assigned now'],
  mode_mismatch: [400, 'The execution mode contradicts the agent'],
  unauthenticated: [401, 'A valid token is needed'],
  signature_invalid: [401, 'The signature is not valid'],
  forbidden: [403, 'The token does not allow this'],
  address_not_allowed: [403, 'The agent may not call from this address'],
  not_found: [404, 'There is no such thing, or it may not be seen'],
  unknown_forge: [404, 'No forge of this name is configured'],
  method_not_allowed: [405, 'The method is not allowed here'],
  lease_lost: [409, 'The attempt is no longer yours'],
  attempt_finished: [409, 'The attempt has ended already'],
  offset_gap: [409, 'Bytes before this offset are missing'],
  status_not_allowed: [409, 'The status of the task does not allow this'],
  idempotency_conflict: [409, 'The key or id was used for something else'],
  instance_conflict: [409, 'Another process of this agent is at work'],
  name_taken: [409, 'The name is taken'],
  configured_in_file: [409, 'This is set in the configuration file'],
  version_mismatch: [412, 'The task has changed since it was read'],
  too_large: [413, 'The request is too large'],
  unsupported_media_type: [415, 'The media type is not supported'],
  range_not_satisfiable: [416, 'The range lies beyond the end'],
  invalid: [422, 'The request is not valid'],
  dependency_cycle: [422, 'The tasks depend on each other in a circle'],
  unknown_template: [422, 'No template of this name is configured'],
  rate_limited: [429, 'Too many requests'],
  internal: [500, 'Something went wrong'],
  unavailable: [503, 'The service is not available now'],
} as const satisfies Record<string, readonly [number, string]>;

export type ErrorCode = keyof typeof ERROR_CODES;
export type FieldError = { field: string; message: string };

/** The one error of the program's own making that reaches a caller. `extra` adds members such as `next_offset`. */
export class AppError extends Error {
  override name = 'AppError';
  readonly code: ErrorCode;
  readonly fields: readonly FieldError[];
  readonly extra: Readonly<Record<string, string | number>>;
  constructor(
    code: ErrorCode,
    detail: string,
    options: {
      fields?: readonly FieldError[];
      extra?: Readonly<Record<string, string | number>>;
      cause?: unknown;
    } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.fields = options.fields ?? [];
    this.extra = options.extra ?? {};
  }
}

export const notFound = (what: string): AppError => new AppError('not_found', `There is no such ${what}.`);
export const invalidField = (field: string, message: string): AppError =>
  new AppError('invalid', `${field}: ${message}`, { fields: [{ field, message }] });

/** The same error as one of a part of what was asked: its fields named from the top. */
export function underField(error: unknown, part: string | number): unknown {
  if (!(error instanceof AppError) || error.fields.length === 0) return error;
  const fields = error.fields.map(({ field, message }) => ({ field: `${part}.${field}`, message }));
  return new AppError(error.code, `${part}.${error.message}`, { fields, extra: error.extra, cause: error.cause });
}
