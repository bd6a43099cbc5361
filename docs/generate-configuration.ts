import { z } from 'zod';
import { agentConfigSchema } from '../src/agent/config-schema.ts';
import { configSchema, MAX_SECONDS } from '../src/config/schema.ts';

/*
 * Writes docs/configuration.md from the schema that checks the file, so that the page can't say anything else.
 * What the parts about Forgejo mean stands here; a key without a meaning is an error.
 */

type Json = z.core.JSONSchema.BaseSchema & { secret?: unknown };

const MEANINGS: Record<string, string> = {
  'forges[].name': 'Its name here: part of the address that its webhooks go to',
  'forges[].url': 'Where it is; deliveries about repositories elsewhere are ignored',
  'forges[].webhook_secrets': 'Any of these may have signed a delivery',
  'forges[].trusted_senders': 'Logins, or `login@owner/name`, that may start tasks, besides the owner of a repository',
  'forges[].bot': 'A login whose acts start nothing, unless a rule names it as `sender`',
  'templates[].name': 'What rules, `/run` and requests call it',
  'templates[].description': 'One line for people',
  'templates[].command': 'Program and arguments. Nothing that people write gets in here',
  'templates[].input': 'What the command reads on standard input, in Liquid: `{{ issue.title }}`',
  'templates[].environment': 'Environment of the command; the values in Liquid, or `{secret: NAME}`',
  'templates[].requires': 'Labels that the machine must have',
  'templates[].timeout_seconds': 'The command is ended after so long; `execution.timeout_seconds` unless said',
  'templates[].repeatable': 'May it run again when what became of it is unknown? Yes, unless said',
  'templates[].preemptible': 'May it be stopped for a much more urgent one, and begin again later? Yes, unless said',
  'templates[].priority': '0–10, or `low` 1, `medium` 3, `high` 5, `urgent` 8; 3 unless said',
  'templates[].max_retries': 'Tries after the command has failed; 0 unless said',
  'templates[].max_infra_retries': 'Tries after the machinery has failed; 3 unless said',
  'templates[].retry_delay_seconds': 'Before the first of these tries, doubling; 60 unless said',
  'templates[].variables':
    'Further names that the template may use, each with `default` (without, it is empty where nobody gives it) and `description`',
  'templates[].execution_mode': '`undecided` unless said: whichever machine takes it first',
  'templates[].body': 'What people read of a task, where nothing else says it',
  'templates[].input_base64': 'Input that is no text, in place of `input`',
  'templates[].agent_id': 'The agent or host that alone may take it',
  'templates[].run_after': 'Not before this moment',
  'templates[].depends_on': 'Ids of tasks that end before',
  'templates[].on_dependency_failure': 'When one of these fails; `cancel` unless said',
  'templates[].requires_approval': 'It waits until a person approves it',
  'templates[].concurrency_key':
    'Of the tasks with the same key one runs at a time. In Liquid; a key of nothing is none',
  'templates[].limits':
    'What the command may use: `cpu_percent`, `memory_bytes`, `processes`, `file_size_bytes`, `cost_usd`',
  'templates[].sandbox': 'What the command is shut in; a machine that has none refuses the task',
  'templates[].output_schema': 'A JSON Schema (draft 2020-12) for the output of a success, which fails without it',
  'templates[].repository': 'The repository, `forge:owner/name`, of tasks that no delivery makes',
  'secrets.*.value': 'The value itself',
  'secrets.*.templates': 'The templates whose tasks may use it',
  'secrets.*.repositories':
    'Only in these: `owner/name` or `forge:owner/name`, `*` for a whole part; unless said, in all',
  'rules[].on': 'What it looks at: a label newly present, or a comment that begins with a command',
  'rules[].label': 'The label, for `on: issue_label`',
  'rules[].command': 'The word after the slash, for `on: comment`',
  'rules[].template': 'The template; unless said, the one called `default`, else the first',
  'rules[].forge': 'Only on this forge',
  'rules[].repository': 'Only in this repository: `owner/name` or `forge:owner/name`, `*` for a whole part',
  'rules[].sender': 'Only when this login did it',
};

const SECTIONS: Record<string, string> = {
  database: 'The connections to PostgreSQL.',
  log: 'What the server writes to standard error.',
  forges: 'The Forgejo servers that send webhooks. A list of maps.',
  dispatch: 'Which way a task goes, and in which order.',
  leases: 'The right to work on an attempt, which a machine keeps only while it is heard from.',
  execution: 'What holds for tasks and hosts that say nothing else.',
  retention: 'For how long what is over is kept; it is deleted a little at a time.',
  limits: 'What may be at a time.',
  http: 'What callers may do.',
  metrics: 'Figures for Prometheus.',
  stats: 'The figures of what has ended and what waits.',
  preemption: 'When a running task makes room for a much more urgent one.',
  ssh: 'What holds for all hosts.',
  pages: 'The pages for people.',
  hosts: 'The machines that the server drives over SSH. A list of maps.',
  secrets:
    'Values that the environment of a template, or of a task of one, names as `{secret: NAME}`. They are looked up when ' +
    'the command starts, stored nowhere, and hidden in what it prints, in its summary and its output. A map of maps, by ' +
    'the name of the secret.',
  templates: 'The recipes that tasks are made from: all that a request for a task may say. A list of maps.',
  rules:
    'What makes a task of a delivery. A list of maps. Left out, these two hold: the label `agent:run`, and a comment ' +
    'that begins with `/run`; an empty list switches them off.',
};

const AGENT_SECTIONS: Record<string, string> = {
  server: 'The server that it works for.',
  poll: 'How it asks for work.',
  log: 'What the agent writes to standard error.',
  limits: 'The most that a command may use here, whatever its task says; null: no limit.',
  security: 'What may run here, whatever the server says. Looked at before anything starts.',
  container: 'What `sandbox: container` runs in.',
  retention: 'For how long it keeps what is for people.',
  local_api: 'What commands like `taskejo agent status` ask.',
  environment: 'What commands find, besides what belongs to the attempt.',
};

const INTRODUCTION = `# Configuration

<!-- Generated from src/config/schema.ts by docs/generate-configuration.ts. -->

[The server](#the-server) · [the agent](#the-agent)

## The server

One YAML file: \`--config FILE\`, else the variable \`TASKEJO_CONFIG\`, else \`taskejo.yaml\` in the working directory. Without
any, every key has its default. [taskejo.example.yaml](taskejo.example.yaml) is a whole one.

\`taskejo config check FILE\` says everything that is wrong with it, each mistake with its line. A server never starts on a
wrong file (exit code 2).

Every key can also be set by environment: \`TASKEJO_\` and its path in capitals with \`__\` between levels, as
\`TASKEJO_LEASES__SECONDS\`; lists comma-separated, lists of maps as JSON. \`DATABASE_URL\` sets \`database_url\`. The
environment wins over the file, \`--listen\` and \`--data-dir\` win over both. An empty variable counts as not set.
\`TASKEJO_ADMIN_TOKEN\` (32 characters at least) is an admin token beside those in the database.

A **secret** is \`{env: NAME}\` or \`{file: PATH}\` (one newline at the end is removed). As plain text it may stand in the file
only if nobody but its owner can read the file. Paths in the file are relative to the file.
`;

const AGENT_INTRODUCTION = `## The agent

\`taskejo agent\` reads the first file found of \`--config FILE\`, \`./agent.yaml\` and \`/etc/taskejo/agent.yaml\`; without one
the environment is enough. [agent.example.yaml](agent.example.yaml) is a whole one. Every key can also be set by
environment: \`TASKEJO_AGENT_\` and its path in capitals with \`__\` between levels, as \`TASKEJO_AGENT_SERVER__URL\`, which
goes before the file; one that sets nothing is told of. Lists are comma-separated, maps JSON. Secrets are as for the
server.
`;

type Members = Record<string, { schema: Json; required: boolean }>;

/** The page about the settings of server and agent, as Markdown. */
export async function generateConfiguration(): Promise<string> {
  return [
    INTRODUCTION,
    partsOf(configSchema, SECTIONS),
    AGENT_INTRODUCTION,
    partsOf(agentConfigSchema, AGENT_SECTIONS),
  ].join('\n');
}

/** A table of the keys at the top, then one for each part. */
function partsOf(schema: z.ZodType, sections: Record<string, string>): string {
  const members = membersOf(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Json);
  const isSection = ([name]: [string, unknown]) => sections[name] !== undefined;
  const entries = Object.entries(members);
  const parts = entries
    .filter(isSection)
    .map(([name, member]) => `### ${name}\n\n${sections[name]}\n\n${tableOf(membersOf(member.schema), name)}`);
  return [tableOf(Object.fromEntries(entries.filter((entry) => !isSection(entry))), ''), ...parts].join('\n');
}

/** The keys of a map, of the maps in a list, or of every kind of map that may stand in the list. */
function membersOf(schema: Json): Members {
  const byName = typeof schema.additionalProperties === 'object' ? (schema.additionalProperties as Json) : null;
  const inner = schema.type === 'array' ? (schema.items as Json) : (byName ?? schema);
  const members: Members = {};
  for (const kind of (inner.oneOf ?? [inner]) as Json[]) {
    for (const [name, member] of Object.entries(kind.properties ?? {}) as [string, Json][]) {
      const other = members[name]?.schema;
      members[name] = {
        schema: other === undefined || other.const === undefined ? member : { oneOf: [other, member] },
        required: kind.required?.includes(name) === true,
      };
    }
  }
  return members;
}

function tableOf(members: Members, section: string): string {
  const inList = ['forges', 'hosts', 'templates', 'rules'].includes(section);
  const rows = Object.entries(members).map(([name, { schema, required }]) => {
    const path = section === '' ? name : `${section}${inList ? '[]' : ''}${section === 'secrets' ? '.*' : ''}.${name}`;
    const meaning = schema.description ?? MEANINGS[path];
    if (meaning === undefined) throw new Error(`docs/generate-configuration.ts: ${path} has no meaning`);
    return `| \`${name}\` | ${kindOf(schema)} | ${required ? 'required' : defaultOf(schema)} | ${meaning} |`;
  });
  return ['| key | kind | default | meaning |', '|---|---|---|---|', ...rows, ''].join('\n');
}

const defaultOf = (member: Json): string =>
  member.default === undefined || member.default === null ? '' : `\`${JSON.stringify(member.default)}\``;

function kindOf(member: Json): string {
  if (member.secret === true || member.secret === 'if needed') return 'secret';
  if (member.const !== undefined) return `\`${member.const}\``;
  if (member.enum !== undefined) return member.enum.map((value) => `\`${value}\``).join(', ');
  const kinds = (member.anyOf ?? member.oneOf) as Json[] | undefined;
  if (Array.isArray(member.type)) return member.type.map((type) => kindOf({ ...member, type })).join(' or ');
  if (kinds !== undefined) return [...new Set(kinds.map(kindOf))].join(' or ');
  if (member.type === 'array') return `list of ${kindOf(member.items as Json)}`;
  if (member.type === 'object') return 'map';
  if (member.type === 'number' || member.type === 'integer') return numberKind(member);
  return { string: 'text', boolean: '`true` or `false`', null: '`null`' }[String(member.type)] ?? 'any';
}

function numberKind({ type, minimum, maximum }: Json): string {
  const kind = type === 'integer' ? 'whole number' : 'number';
  const most = maximum === Number.MAX_SAFE_INTEGER || maximum === MAX_SECONDS ? undefined : maximum;
  if (minimum === undefined || minimum === Number.MIN_SAFE_INTEGER) return kind;
  return most === undefined ? `${kind} from ${minimum}` : `${kind} ${minimum}–${most}`;
}
