/** The embedded database can't be had. The message is one sentence for the operator. */
export class DatabaseStartError extends Error {
  override name = 'DatabaseStartError';
}

/** The code of a system or database error, such as ENOENT or 42P04. */
export function errorCode(error: unknown): string | undefined {
  const { code } = Object(error);
  return typeof code === 'string' ? code : undefined;
}

/** What to put in brackets behind the sentence. */
export function reasonOf(error: unknown): string {
  return errorCode(error) ?? String(error);
}
