import type { Argument, Command, Option } from 'commander';
import { createProgram } from '../src/cli/program.ts';

const HEADER = `# The command line

<!-- Written by \`npm run generate\` from the commands themselves. -->

Commands that ask a server have \`--url\` and \`--token-file\`; else they read \`TASKEJO_URL\` and \`TASKEJO_TOKEN\`, else what
\`taskejo login\` kept for that server. Tables are for people; \`--json\` prints the answer for programs. What other people
wrote is printed with what a terminal would obey made visible.

| exit code | means |
|---|---|
| 0 | done |
| 1 | refused or failed, with one sentence on standard error |
| 2 | the command line or the configuration is wrong |
| 3 | a task that was waited for did not complete |

Programs that stay have codes of their own: [\`taskejo serve\`](operations/running.md#exit-codes-of-taskejo-serve),
[\`taskejo agent\`](operations/agent.md).
`;

const COMMON = ['--url', '--token-file', '--json', '--help'];

/** The page of all commands, as \`--help\` tells them. */
export async function generateCommandLine(): Promise<string> {
  const never = async () => null;
  const silent = { out() {}, err() {}, outBytes() {}, errBytes() {}, outliveReaders() {}, width: null };
  const terminal = { ...silent, style: (_: unknown, text: string) => text };
  const program = await createProgram({ terminal, env: {}, readInput: async () => new Uint8Array(), readLine: never });
  return `${HEADER}${program.commands.map((command) => section(command)).join('')}`;
}

const section = (command: Command): string =>
  `\n## ${command.name()}\n\n${upper(command.description())}.\n${leaves(command, ['taskejo']).map(entry).join('')}`;

type Leaf = { path: readonly string[]; command: Command };

const leaves = (command: Command, before: readonly string[]): Leaf[] => {
  const path = [...before, command.name()];
  const below = command.commands.flatMap((one) => leaves(one, path));
  return below.length === 0 || acts(command) ? [{ path, command }, ...below] : below;
};

/** Whether a command with others below it does something itself. */
const acts = (command: Command): boolean => command.options.some(({ long }) => !COMMON.includes(long ?? ''));

function entry({ path, command }: Leaf): string {
  const longs = command.options.map(({ long }) => long);
  const notes = [longs.includes('--url') ? 'asks the server' : [], longs.includes('--json') ? '`--json`' : []].flat();
  const usage = [...path, ...command.registeredArguments.map(argument)].join(' ');
  const own = command.options.filter(({ long, hidden }) => !hidden && !COMMON.includes(long ?? ''));
  return [
    ...(path.length === 2 ? [] : [`### ${path.join(' ')}`, `${upper(command.description())}.`]),
    `\`${usage}\`${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`,
    ...(own.length === 0 ? [] : [own.map(option).join('\n')]),
  ]
    .map((part) => `\n${part}\n`)
    .join('');
}

const argument = (one: Argument): string => {
  const name = one.variadic ? `${one.name()}...` : one.name();
  return one.required ? `<${name}>` : `[${name}]`;
};

const option = ({ flags, description, argChoices: choices = [] }: Option): string =>
  `- \`${flags}\`: ${description.replaceAll('|', '\\|')}${choices.length === 0 ? '' : ` (${choices.join(', ')})`}`;

const upper = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
