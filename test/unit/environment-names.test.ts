import { describe, expect, it, test } from 'vitest';
import { agentConfigSchema } from '../../src/agent/config-schema.ts';
import { environment } from '../../src/contract/new-task.ts';
import { NO_LIMITS } from '../../src/domain/task.ts';
import { encodeStart } from '../../src/executor/wrapper/protocol.ts';

const SHELLS_OWN = 'UID EUID PPID GROUPS SHELLOPTS BASHOPTS OPTIND OPTARG OPTERR LINENO IFS ENV BASH_ENV PS4 _'.split(
  ' ',
);
const SPEC = {
  taskId: 't',
  attemptId: 'a',
  installationId: 'i',
  number: 1,
  command: ['true'],
  input: Buffer.alloc(0),
  limits: NO_LIMITS,
  sandbox: 'none' as const,
  timeoutSeconds: 1,
  killGraceSeconds: 1,
};

const agentFile = (part: object) =>
  agentConfigSchema.safeParse({ server: { url: 'https://tasks.example.org' }, environment: part }).success;

describe.each(SHELLS_OWN)('the name %s, which a shell owns', (name) => {
  it('is refused where a task is made, and not only on the machine', () => {
    expect(environment.safeParse({ [name]: 'x' }).success).toBe(false);
    expect(() => encodeStart({ ...SPEC, environment: { [name]: 'x' } })).toThrow(name);
  });

  it("is refused in an agent's file, and not with each task", () => {
    expect(agentFile({ set: { [name]: 'x' } })).toBe(false);
    expect(agentFile({ pass: [name] })).toBe(false);
  });
});

test("names that nobody owns are a task's and an agent's to set", () => {
  expect(environment.safeParse({ LANG: 'C', KEY: 'x' }).success).toBe(true);
  expect(agentFile({ set: { PATH: '/opt/bin:/usr/bin' }, pass: ['LANG', 'GNUPGHOME'] })).toBe(true);
});
