/** One line of what was asked for. A proof is `file > group > title`. */
export type Line = { line: string; proofs: string[]; planned?: boolean };
export type Part = { part: string; lines: Line[] };

export type TestState = 'passed' | 'failed' | 'skipped';
export type LineState = TestState | 'not yet' | 'planned';

/** The proofs that name no test of the run. */
export function missingProofs(parts: Part[], results: ReadonlyMap<string, TestState>): string[] {
  return parts.flatMap(({ lines }) => lines.flatMap(({ proofs }) => proofs)).filter((proof) => !results.has(proof));
}

export function stateOf({ proofs, planned }: Line, results: ReadonlyMap<string, TestState>): LineState {
  if (proofs.length === 0) return planned === true ? 'planned' : 'not yet';
  const states = proofs.map((proof) => results.get(proof) ?? 'failed');
  return states.find((state) => state === 'failed') ?? states.find((state) => state === 'skipped') ?? 'passed';
}

/** The page for people. The same results give the same text: no time, no duration, no order of the run. */
export function renderAcceptance(parts: Part[], results: ReadonlyMap<string, TestState>): string {
  const lines = parts.flatMap((part) => part.lines);
  const count = (state: LineState) => lines.filter((line) => stateOf(line, results) === state).length;
  const shown: LineState[] = ['passed', 'failed', 'skipped', 'not yet', 'planned'];
  const summary = shown.map((state) => `${count(state)} ${state}`).join(', ');
  return [
    '# What was asked for, and where it is proven',
    'Written by a run of all tests (`npm run test:all`) from `test/acceptance.ts`: each line, the tests that prove it, and how they ended.',
    `${lines.length} lines: ${summary}.`,
    ...parts.flatMap((part) => [`## ${part.part}`, table(part, results)]),
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}

function table({ lines }: Part, results: ReadonlyMap<string, TestState>): string {
  const rows = lines.map((line) => {
    const proofs = line.proofs.map((proof) => cell(proof.replace(/^test\//, ''))).join('<br>');
    return `| ${cell(line.line)} | ${stateOf(line, results)} | ${proofs} |`;
  });
  return ['| asked for | state | proof |', '|---|---|---|', ...rows].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
