import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { DEFAULT_RULES, forgeSchema, ruleSchema, templateSchema } from '../../../src/forgejo/config-schema.ts';
import { compileSettings } from '../../../src/forgejo/configuration.ts';

const FORGE = { name: 'main', url: 'https://forge.example.org', webhook_secrets: ['s'] };
const TEMPLATE = { name: 'claude', command: ['claude', '-p'] };
const pathsOf = (schema: z.ZodType, value: unknown): string[] =>
  (schema.safeParse(value).error?.issues ?? []).map((issue) => issue.path.join('.'));

describe('a forge', () => {
  test('is read with its defaults, its address without a slash at the end', () => {
    expect(forgeSchema.parse({ ...FORGE, url: 'https://forge.example.org/git//' })).toEqual({
      name: 'main',
      url: 'https://forge.example.org/git',
      webhookSecrets: ['s'],
      trustedSenders: [],
      bot: null,
    });
  });

  test.each([
    [{ url: 'forge.example.org' }, 'url'],
    [{ url: 'ftp://forge.example.org' }, 'url'],
    [{ url: 'https://user:word@forge.example.org' }, 'url'],
    [{ url: 'https://forge.example.org/?a=b' }, 'url'],
    [{ webhook_secrets: [] }, 'webhook_secrets'],
    [{ webhook_secrets: [''] }, 'webhook_secrets.0'],
    [{ webhook_secrets: 's' }, 'webhook_secrets'],
    [{ trusted_senders: ['alice bob'] }, 'trusted_senders.0'],
    [{ trusted_senders: ['alice@widgets'] }, 'trusted_senders.0'],
    [{ name: 'a b' }, 'name'],
    [{ token: 'x' }, ''],
  ])('with %j is refused', (change, path) => {
    expect(pathsOf(forgeSchema, { ...FORGE, ...change })).toEqual([path]);
  });
});

describe('a rule', () => {
  test('is for a label or for the command /run', () => {
    expect(ruleSchema.parse({ on: 'comment', template: 'claude' })).toEqual({
      on: 'comment',
      command: 'run',
      template: 'claude',
      forge: null,
      repository: null,
      sender: null,
    });
    expect(ruleSchema.parse({ on: 'issue_label', label: 'agent:run' })).toEqual(DEFAULT_RULES[0]);
    expect(ruleSchema.parse({ on: 'comment', command: 'run' })).toEqual(DEFAULT_RULES[1]);
  });

  test.each([
    [{ on: 'push' }, 'on'],
    [{ on: 'issue_label' }, 'label'],
    [{ on: 'issue_label', label: '' }, 'label'],
    [{ on: 'comment', command: 'cancel' }, 'command'],
    [{ on: 'comment', label: 'x' }, ''],
    [{ on: 'comment', drafts: false }, ''],
    [{ on: 'comment', repository: 'widgets' }, 'repository'],
    [{ on: 'comment', repository: 'a*/b' }, 'repository'],
    [{ on: 'comment', sender: 'a b' }, 'sender'],
  ])('%j is refused', (rule, path) => {
    expect(pathsOf(ruleSchema, rule)).toEqual([path]);
  });
});

describe('a template', () => {
  test('is read with what it leaves open as null', () => {
    expect(templateSchema.parse({ ...TEMPLATE, priority: 'urgent', max_retries: 2 })).toEqual({
      name: 'claude',
      description: null,
      command: ['claude', '-p'],
      input: null,
      environment: {},
      requires: [],
      variables: {},
      settings: {
        body: null,
        inputBytes: null,
        priority: 8,
        executionMode: null,
        agentId: null,
        timeoutSeconds: null,
        runAfter: null,
        dependsOn: null,
        onDependencyFailure: null,
        requiresApproval: null,
        concurrencyKey: null,
        maxRetries: 2,
        maxInfraRetries: null,
        retryDelaySeconds: null,
        preemptible: null,
        repeatable: null,
        limits: null,
        sandbox: null,
        outputSchema: null,
        repository: null,
      },
    });
  });

  test.each([
    [{ command: [] }, 'command'],
    [{ command: [''] }, 'command'],
    [{ command: 'claude -p' }, 'command'],
    [{ command: ['a\0b'] }, 'command.0'],
    [{ input: 'a\0b' }, 'input'],
    [{ name: 'two words' }, 'name'],
    [{ name: '../x' }, 'name'],
    [{ requires: ['GPU'] }, 'requires.0'],
    [{ timeout_seconds: 0 }, 'timeout_seconds'],
    [{ priority: 'highest' }, 'priority'],
    [{ priority: 11 }, 'priority'],
    [{ execution_mode: 'docker' }, 'execution_mode'],
    [{ environment: { LD_PRELOAD: 'x' } }, 'environment.LD_PRELOAD'],
    [{ environment: { 'A-B': 'x' } }, 'environment.A-B'],
    [{ environment: { PORT: 8080 } }, 'environment.PORT'],
    [{ variables: { 'a b': {} } }, 'variables.a b'],
    [{ variables: { a: { defualt: 1 } } }, 'variables.a'],
    [{ environment: { KEY: { secret: '' } } }, 'environment.KEY.secret'],
    [{ environment: { KEY: { secrt: 'A' } } }, 'environment.KEY'],
    [{ limits: { memory: 1 } }, 'limits'],
    [{ sandbox: 'chroot' }, 'sandbox'],
    [{ output_schema: [] }, 'output_schema'],
    [{ input: 'a', input_base64: 'YQ==' }, 'input_base64'],
    [{ repository: 'alice/widgets' }, 'repository'],
    [{ on_dependency_failure: 'ignore' }, 'on_dependency_failure'],
    [{ title: 'x' }, ''],
    [{ checkout: { ref: 'event' } }, ''],
    [{ timeout: 5 }, ''],
  ])('with %j is refused', (change, path) => {
    expect(pathsOf(templateSchema, { ...TEMPLATE, ...change })).toEqual([path]);
  });
});

describe('forges, templates and rules together', () => {
  const compile = (file: { forges?: unknown[]; templates?: unknown[]; rules?: unknown[] }) =>
    compileSettings({
      forges: (file.forges ?? [FORGE]).map((one) => forgeSchema.parse(one)),
      templates: (file.templates ?? [TEMPLATE]).map((one) => templateSchema.parse(one)),
      rules: file.rules?.map((one) => ruleSchema.parse(one)),
    });

  test('without rules the defaults hold, an empty list switches them off', () => {
    expect(compile({}).settings.rules).toEqual(DEFAULT_RULES);
    expect(compile({ rules: [] }).settings.rules).toEqual([]);
    expect(compile({}).problems).toEqual([]);
  });

  test('all mistakes are told at once, each with its place in the file', () => {
    const { problems } = compile({
      forges: [FORGE, FORGE],
      templates: [{ ...TEMPLATE, input: '{{ x }}' }, TEMPLATE, { name: 'b', command: ['{{ y }}'] }],
      rules: [
        { on: 'comment', template: 'claud' },
        { on: 'issue_label', label: 'x', forge: 'mian' },
        { on: 'comment', template: 'b', forge: 'main' },
      ],
    });
    expect(problems.map((problem) => problem.path.join('.')).sort()).toEqual([
      'forges.1.name',
      'rules.0.template',
      'rules.1.forge',
      'templates.0.input',
      'templates.1.name',
      'templates.2.command.0',
    ]);
  });

  test('the schemas can be described as JSON Schema, for the documentation', () => {
    for (const schema of [forgeSchema, ruleSchema, templateSchema])
      expect(Object.keys(z.toJSONSchema(schema, { io: 'input' })).length).toBeGreaterThan(1);
  });
});

describe('secrets and templates together', () => {
  const naming = (name: string, secret: string) => ({ name, command: ['x'], environment: { KEY: { secret } } });
  const problems = (templates: unknown[], secrets: Record<string, { templates: string[] }>) =>
    compileSettings({
      forges: [],
      templates: templates.map((one) => templateSchema.parse(one)),
      rules: undefined,
      secrets,
    }).problems;

  test('fit where each names the other', () => {
    expect(problems([naming('a', 'S'), naming('b', 'S')], { S: { templates: ['a', 'b'] } })).toEqual([]);
  });

  test('are refused where a template names one that there is not, or that is not for it', () => {
    expect(
      problems([naming('a', 'LOST'), naming('b', 'S'), naming('c', 'toString')], { S: { templates: ['a'] } }),
    ).toEqual([
      { path: ['templates', 0, 'environment', 'KEY', 'secret'], message: 'there is no secret LOST' },
      {
        path: ['templates', 1, 'environment', 'KEY', 'secret'],
        message: 'the template b is not among the templates of S',
      },
      { path: ['templates', 2, 'environment', 'KEY', 'secret'], message: 'there is no secret toString' },
    ]);
  });

  test('are refused where a secret is for a template that there is not', () => {
    expect(problems([naming('a', 'S')], { S: { templates: ['a', 'b'] } })).toEqual([
      { path: ['secrets', 'S', 'templates', 1], message: 'there is no template b' },
    ]);
  });
});

test('a template with a schema that can not be used is refused', () => {
  const broken = templateSchema.parse({ ...TEMPLATE, output_schema: { type: 'objekt' } });
  const { problems } = compileSettings({ forges: [], templates: [broken], rules: undefined });
  expect(problems).toMatchObject([{ path: ['templates', 0, 'output_schema'] }]);
});
