/** What a command is told in its environment, beside what its machine itself adds. */
export type CommandFacts = {
  /** Where it reaches the server, and with what: good for this attempt only. */
  url: string;
  token: string;
  repository: string | null;
  ref: string | null;
  sha: string | null;
  /** Number of the issue or pull request. */
  issue: number | null;
  /** What the machine's owner passes on to every command. */
  agent: Readonly<Record<string, string>>;
};

/** What goes before the task's own part of the environment, over SSH and pulled alike: ours, then the agent's. */
export function commandEnvironment(facts: CommandFacts): Record<string, string> {
  const { url, token, repository, ref, sha, issue } = facts;
  const told = {
    TASKEJO_URL: url,
    TASKEJO_TOKEN: token,
    TASKEJO_REPOSITORY: repository,
    TASKEJO_REF: ref,
    TASKEJO_SHA: sha,
    TASKEJO_ISSUE: issue === null ? null : String(issue),
  };
  const known = Object.entries(told).filter((entry): entry is [string, string] => entry[1] !== null);
  return { ...Object.fromEntries(known), ...facts.agent };
}
