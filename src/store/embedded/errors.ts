/** The embedded database can't be had. The message is one sentence for the operator. */
export class DatabaseStartError extends Error {
  override name = 'DatabaseStartError';
}

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
