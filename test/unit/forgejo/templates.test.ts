import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { templateSchema } from '../../../src/forgejo/config-schema.ts';
import { EMPTY_CONTEXT, EVENT_VARIABLES, eventContext } from '../../../src/forgejo/template-context.ts';
import { compileTemplate, renderTemplate, TemplateError } from '../../../src/forgejo/templates.ts';
import { recorded } from '../../support/recordings.ts';
import { parsed } from './support.ts';

const compile = (fields: Record<string, unknown>) =>
  compileTemplate(templateSchema.parse({ name: 'a', command: ['true'], ...fields }));
const problemOf = (action: () => unknown): TemplateError => {
  try {
    action();
  } catch (error) {
    if (error instanceof TemplateError) return error;
    throw error;
  }
  throw new Error('no TemplateError was thrown');
};
const comment = parsed(recorded('v15', 'alice comments on the pull request: /run on a pull request'));

describe('a mistake in a template is found when it is loaded', () => {
  test.each([
    [{ command: ['sh', '-c', 'echo {{ issue.title }}'] }, ['command', 2], /holds no/],
    [{ command: ['{% if x %}'] }, ['command', 0], /holds no/],
    [{ input: '{{ issue.titel }}' }, ['input'], /no variable `issue\.titel`; there are issue\.number, issue\.title/],
    [{ input: '{{ title }}' }, ['input'], /no variable `title`; there are event, words/],
    [{ input: '{{ issue }}' }, ['input'], /no variable `issue`/],
    [{ input: '{{ issue[sender.login] }}' }, ['input'], /no variable `issue\.sender,login`/],
    [{ input: '{{ issue.title.length }}' }, ['input'], /no variable/],
    [{ input: '{{ constructor }}' }, ['input'], /no variable `constructor`/],
    [{ input: '{{ issue.constructor }}' }, ['input'], /no variable/],
    [{ input: '{{ issue.title | shell }}' }, ['input'], /undefined filter: shell/],
    [{ input: '{{ issue.title' }, ['input'], /not closed/],
    [{ input: '{% if words %}' }, ['input'], /not closed/],
    [{ input: '{% include "/etc/passwd" %}' }, ['input'], /tag "include" not found/],
    [{ input: '{% render "x" %}' }, ['input'], /tag "render" not found/],
    [{ input: '{% layout "x" %}' }, ['input'], /tag "layout" not found/],
    [{ input: '{% if words %}{% assign x = 1 %}{% endif %}{{ x }}' }, ['input'], /undefined variable: x/],
    [{ environment: { T: '{{ nothing }}' } }, ['environment', 'T'], /no variable `nothing`/],
    [{ variables: { issue: {} } }, ['variables', 'issue'], /a name of the event/],
    [{ input: '{% for i in (1..100000000) %}x{% endfor %}' }, ['input'], /limit exceeded/],
  ])('%j', (fields, path, message) => {
    const problem = problemOf(() => compile(fields));
    expect(problem.path).toEqual(path);
    expect(problem.message).toMatch(message);
  });
});

describe('filling in', () => {
  const render = (input: string, fields: Record<string, unknown> = {}, given = {}) =>
    renderTemplate(compile({ input, ...fields }), eventContext(comment, 'now'), given).input;

  test('every variable of the event renders, and renders as nothing where the event lacks it', () => {
    const all = EVENT_VARIABLES.map((name) => `{{ ${name} }}`).join('|');
    expect(
      render(all)
        ?.split('|')
        .every((value) => value !== ''),
    ).toBe(true);
    expect(renderTemplate(compile({ input: all }), EMPTY_CONTEXT, {}).input).toBe(
      '|'.repeat(EVENT_VARIABLES.length - 1),
    );
  });

  test('a pull request is an issue too', () => {
    expect(render('{{ issue.number }} {{ pull_request.number }} {{ pull_request.base_ref }} {{ ref }}')).toBe(
      '9 9 main fix-parser',
    );
  });

  test('an issue is no pull request', () => {
    const onIssue = eventContext(parsed(recorded('v15', 'alice comments: plain text')), null);
    const compiled = compile({ input: '{% if pull_request.number %}pull{% else %}issue{% endif %} {{ words }}' });
    expect(renderTemplate(compiled, onIssue, {}).input).toBe('issue ');
  });

  test('values are neither rendered again nor escaped', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (words) => {
        const hostile = `{{ issue.title }}{% raw %}<&>"'\${x}\r\n${words}`;
        const compiled = compile({ input: '<{{ words }}>' });
        expect(renderTemplate(compiled, { ...EMPTY_CONTEXT, words: hostile }, {}).input).toBe(`<${hostile}>`);
      }),
    );
  });

  test('a declared variable is what was given, else its default, else nothing', () => {
    const variables = { depth: { default: 3 }, strict: { default: false }, goal: { description: 'what to reach' } };
    const input = '{{ depth }} {{ strict }} [{{ goal }}]';
    expect(render(input, { variables })).toBe('3 false []');
    expect(render(input, { variables }, { depth: 5, goal: 'speed', strict: true })).toBe('5 true [speed]');
  });

  test('a variable that is not declared is refused, naming it', () => {
    const compiled = compile({ variables: { depth: {} } });
    for (const name of ['deep', 'toString', 'issue']) {
      const problem = problemOf(() => renderTemplate(compiled, EMPTY_CONTEXT, { [name]: 1 }));
      expect(problem.path).toEqual(['variables', name]);
    }
  });

  test('a variable cannot take the place of the event', () => {
    const compiled = compile({ input: '{{ sender.login }}', variables: { x: {} } });
    expect(renderTemplate(compiled, eventContext(comment, null), { x: 'sender' }).input).toBe('alice');
  });

  test('a template without input has none', () => {
    expect(renderTemplate(compile({}), EMPTY_CONTEXT, {}).input).toBeNull();
  });

  test('a character that a filter cuts in half becomes U+FFFD', () => {
    expect(render('{{ "🚀" | split: "" | first }}')).toBe('\uFFFD');
  });

  test.each([
    ['input', { input: '{{ comment.body }}' }, /more than 1048576 bytes/],
    ['environment.BIG', { environment: { BIG: '{{ comment.body }}' } }, /more than 102400 bytes/],
  ])('a text too large for a task is refused: %s', (path, fields, message) => {
    const context = { ...EMPTY_CONTEXT, comment: { ...EMPTY_CONTEXT.comment, body: 'x'.repeat(2_000_000) } };
    const problem = problemOf(() => renderTemplate(compile(fields), context, {}));
    expect(problem.path.join('.')).toBe(path);
    expect(problem.message).toMatch(message);
  });

  test('an environment too large together is refused', () => {
    const environment = Object.fromEntries(Array.from({ length: 6 }, (_, n) => [`V${n}`, '{{ words }}']));
    const context = { ...EMPTY_CONTEXT, words: 'x'.repeat(100_000) };
    expect(problemOf(() => renderTemplate(compile({ environment }), context, {})).path).toEqual(['environment']);
  });

  test('a template that takes more memory than it may is stopped', () => {
    const input = '{% assign a = words %}{% for i in (1..40) %}{% assign a = a | append: a %}{% endfor %}{{ a }}';
    const problem = problemOf(() => renderTemplate(compile({ input }), { ...EMPTY_CONTEXT, words: 'x' }, {}));
    expect(problem.message).toMatch(/limit exceeded/);
  });
});

describe('the concurrency key of a template', () => {
  const full = eventContext(comment, 'fix it');
  const keyOf = (concurrency_key: string) => renderTemplate(compile({ concurrency_key }), full, {}).concurrencyKey;

  test('is filled in like its input, and none when nothing is in it', () => {
    expect(keyOf('deploy')).toBe('deploy');
    expect(keyOf('deploy {{ repository.full_name }}')).toMatch(/^deploy .+\/.+$/);
    expect(keyOf(' {{ words }} ')).toBe('fix it');
    expect(renderTemplate(compile({ concurrency_key: '{{ words }}' }), EMPTY_CONTEXT, {}).concurrencyKey).toBeNull();
  });

  test('is checked when it is read', () => {
    expect(() => compile({ concurrency_key: '{{ nothing }}' })).toThrow(/no variable `nothing`/);
  });
});

test('a secret of a template stays a name when the template is filled in', () => {
  const environment = { A: '{{ issue.number }}', B: { secret: 'KEY' } };
  expect(renderTemplate(compile({ environment }), EMPTY_CONTEXT, {}).environment).toEqual({
    A: '',
    B: { secret: 'KEY' },
  });
});
