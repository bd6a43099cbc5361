// Loaded into an agent before its own program (`--import`): what it was begun anew with is changed as a file says, so that
// a test needn't wait for ten minutes. A file that says `once` is gone after that.

import { readFileSync, rmSync } from 'node:fs';

const { TASKEJO_PREPARED: text, PREPARED_FILE: file = '' } = process.env;
if (text !== undefined) {
  const { once, ...changes } = changesIn(file);
  if (once) rmSync(file);
  process.env.TASKEJO_PREPARED = JSON.stringify({ ...JSON.parse(text), ...changes });
}

function changesIn(path: string): { once?: true } & Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return {}; // used up
  }
}
