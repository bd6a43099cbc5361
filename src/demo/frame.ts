import { basename, dirname, relative } from 'node:path';
import type { Agent } from '../contract/agent.ts';
import type { DemoHost } from './demo-host.ts';
import { quoted, shortId } from './narrate.ts';
import type { Served } from './programs.ts';
import { columns, type Teller } from './teller.ts';
import type { Story } from './watch-task.ts';

/** Says what there is before the story begins, as the server sees it. */
export async function introduce({ api, teller }: Story, host: DemoHost): Promise<void> {
  const agents = await api.agents();
  for (const agent of agents) teller.say(introductionOf(agent, host));
  teller.say(`Watch it all on the page ${api.url}/`, 'bold');
}

const introductionOf = (agent: Agent, host: DemoHost): string =>
  agent.execution_mode === 'ssh_cli'
    ? `The host ${agent.name} is ${agent.state}: ${host.description} on 127.0.0.1:${host.port}, with the label ${quoted(agent.labels)}.`
    : `The pull agent ${agent.name} is ${agent.state}: it asks for work over HTTP, with the label ${quoted(agent.labels)}.`;

/** The table of all tasks, as the server lists them. */
export async function sumUp({ api, teller }: Story): Promise<void> {
  const agents = await api.agents();
  const nameOf = (id: string | null) => agents.find((agent) => agent.id === id)?.name ?? '–';
  const rows = [];
  for (const task of await api.tasks()) {
    const attempts = await api.attempts(task.id);
    rows.push([
      `${shortId(task.id)} ${task.template ?? ''}: ${task.title}`,
      task.execution_mode,
      task.named_agent_id === null ? 'no' : `to ${nameOf(task.named_agent_id)}`,
      nameOf(task.assigned_agent_id),
      String(attempts.length),
      task.status,
      String(task.result?.exit_code ?? '–'),
    ]);
  }
  const [titles = '', ...lines] = columns([
    ['task', 'way', 'assigned', 'done by', 'attempts', 'status', 'exit code'],
    ...rows,
  ]);
  teller.title('What became of it');
  teller.block([teller.style('bold', titles), ...lines]);
}

/** Commands to copy: while it stays up, or now that it ends. */
export function tellHowToGoOn(teller: Teller, { api, tokenFile }: Served, keep: boolean): void {
  const taskejo = program();
  teller.title(keep ? 'It stays up until Ctrl-C' : 'What to try next');
  if (keep) {
    teller.block(
      columns([
        ['Its page:', `${api.url}/`],
        ['Its API:', `${api.url}/docs`],
        ['Its files:', folderOf(tokenFile)],
      ]),
    );
    teller.title('In another terminal');
    teller.block([
      `export TASKEJO_URL=${api.url}`,
      `export TASKEJO_TOKEN="$(cat '${tokenFile}')"`,
      `${taskejo} task list`,
      `${taskejo} task create --title Hello --require build -- echo hello`,
      `${taskejo} task log --follow ID`,
    ]);
    return;
  }
  teller.block(
    columns([
      ['npm run demo -- --keep', `the same, but it stays up: look at its page (${api.url}/ is gone now)`],
      ['npm start', 'the server itself, on an embedded database in ./data'],
      [`${taskejo} --help`, 'all commands'],
    ]),
  );
}

const folderOf = (tokenFile: string): string => dirname(dirname(tokenFile));

/** How this program was called. */
function program(): string {
  const file = process.argv[1] ?? '';
  return basename(file) === 'taskejo.js' ? `node ${relative(process.cwd(), file) || file}` : 'taskejo';
}
