import { Liquid, type Template } from 'liquidjs';
import { checkSchema, SchemaError } from '../domain/output-schema.ts';
import type { Environment } from '../domain/task.ts';
import type { TemplateDefinition, TemplateSettings } from './config-schema.ts';
import {
  EMPTY_CONTEXT,
  EVENT_ROOTS,
  EVENT_VARIABLES,
  type EventContext,
  type TemplateValue,
} from './template-context.ts';
import { byteLength, safeText } from './text.ts';

const MAX_KEY_BYTES = 255;
const MAX_INPUT_BYTES = 1024 * 1024;
const MAX_VALUE_BYTES = 100 * 1024;
const MAX_ENVIRONMENT_BYTES = 512 * 1024;

/** What is wrong with a template, or with what it renders; `path` leads to the field, as `['environment', 'LANG']`. */
export class TemplateError extends Error {
  override name = 'TemplateError';
  readonly path: readonly (string | number)[];
  constructor(path: readonly (string | number)[], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.path = path;
  }
}

type SecretName = { readonly secret: string };

export type CompiledTemplate = {
  name: string;
  definition: TemplateDefinition;
  input: Template[] | null;
  concurrencyKey: Template[] | null;
  environment: readonly (readonly [name: string, value: Template[] | SecretName])[];
};

/** A template with its values filled in. Settings that it leaves open are null. */
export type RenderedTemplate = TemplateSettings & {
  template: string;
  command: readonly string[];
  input: string | null;
  environment: Environment;
  requires: readonly string[];
};

const engine = createEngine();

function createEngine(): Liquid {
  const liquid = new Liquid({
    strictVariables: true,
    strictFilters: true,
    ownPropertyOnly: true,
    timezoneOffset: 0,
    parseLimit: MAX_INPUT_BYTES,
    memoryLimit: 64 * 1024 * 1024,
    renderLimit: 2_000,
    templates: {},
  });
  for (const tag of ['include', 'render', 'layout', 'block']) delete liquid.tags[tag];
  return liquid;
}

/**
 * Reads a template once, so that a mistake in it is an error of the file and not of the first delivery: Liquid's syntax
 * and filters, variables that no event has and the template doesn't declare, Liquid where none may stand.
 * Throws a TemplateError.
 */
export function compileTemplate(definition: TemplateDefinition): CompiledTemplate {
  definition.command.forEach((argument, at) => {
    if (/\{\{|\{%/.test(argument)) {
      throw new TemplateError(
        ['command', at],
        'a command holds no `{{ }}`: what people write reaches a command only as input or environment',
      );
    }
  });
  for (const name of Object.keys(definition.variables)) {
    if (EVENT_ROOTS.includes(name)) throw new TemplateError(['variables', name], `\`${name}\` is a name of the event`);
  }
  const declared = Object.keys(definition.variables);
  const key = definition.settings.concurrencyKey;
  refuseSchema(definition);
  const compiled: CompiledTemplate = {
    name: definition.name,
    definition,
    input: definition.input === null ? null : parse(definition.input, declared, ['input']),
    concurrencyKey: key === null ? null : parse(key, declared, ['concurrency_key']),
    environment: Object.entries(definition.environment).map(([name, value]) => [
      name,
      typeof value === 'string' ? parse(value, declared, ['environment', name]) : value,
    ]),
  };
  renderTemplate(compiled, EMPTY_CONTEXT, {});
  return compiled;
}

function refuseSchema({ settings }: TemplateDefinition): void {
  if (settings.outputSchema === null) return;
  try {
    checkSchema(settings.outputSchema);
  } catch (error) {
    if (error instanceof SchemaError) throw new TemplateError(['output_schema'], error.message, error);
    throw error;
  }
}

function parse(source: string, declared: readonly string[], path: readonly string[]): Template[] {
  try {
    const parsed = engine.parse(source);
    for (const segments of engine.globalVariableSegmentsSync(parsed)) {
      const known = [...EVENT_VARIABLES, ...declared];
      if (!known.includes(segments.join('.'))) throw new TemplateError(path, unknownVariable(segments, declared));
    }
    return parsed;
  } catch (error) {
    if (error instanceof TemplateError) throw error;
    throw new TemplateError(path, messageOf(error), error);
  }
}

function unknownVariable(segments: readonly unknown[], declared: readonly string[]): string {
  const [root] = segments;
  const members = EVENT_VARIABLES.filter((name) => name.startsWith(`${String(root)}.`));
  const known = members.length > 0 ? members : [...EVENT_ROOTS, ...declared];
  return `there is no variable \`${segments.map(String).join('.')}\`; there are ${known.join(', ')}`;
}

/**
 * Fills a template in. What the event lacks renders as nothing; a declared variable is what was given, else its
 * default, else nothing. Values are neither escaped nor rendered again. Throws a TemplateError when the result is too
 * large for a task or takes too long, or when a variable is given that the template doesn't declare.
 */
export function renderTemplate(
  compiled: CompiledTemplate,
  context: EventContext,
  given: Readonly<Record<string, TemplateValue>>,
): RenderedTemplate {
  const { definition } = compiled;
  const scope = { ...variablesOf(definition, given), ...context };
  const input = compiled.input === null ? null : render(compiled.input, scope, ['input'], MAX_INPUT_BYTES);
  return {
    template: definition.name,
    command: definition.command,
    input,
    environment: renderEnvironment(compiled, scope),
    requires: definition.requires,
    ...definition.settings,
    concurrencyKey: compiled.concurrencyKey && keyOf(compiled.concurrencyKey, scope),
  };
}

/** A key of nothing is none: what the event lacks renders as nothing. */
const keyOf = (template: Template[], scope: object): string | null =>
  render(template, scope, ['concurrency_key'], MAX_KEY_BYTES).trim() || null;

function renderEnvironment({ environment }: CompiledTemplate, scope: object): Environment {
  const rendered = environment.map(([name, value]) => {
    const text = Array.isArray(value) ? render(value, scope, ['environment', name], MAX_VALUE_BYTES) : value;
    return [name, text] as const;
  });
  const size = rendered.reduce(
    (sum, [name, value]) => sum + byteLength(name) + byteLength(typeof value === 'string' ? value : value.secret),
    0,
  );
  if (size > MAX_ENVIRONMENT_BYTES)
    throw new TemplateError(['environment'], `the environment has more than ${MAX_ENVIRONMENT_BYTES} bytes`);
  return Object.fromEntries(rendered);
}

function variablesOf(definition: TemplateDefinition, given: Readonly<Record<string, TemplateValue>>) {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(definition.variables, name))
      throw new TemplateError(['variables', name], `template ${definition.name} has no variable \`${name}\``);
  }
  return Object.fromEntries(
    Object.entries(definition.variables).map(([name, variable]) => [name, given[name] ?? variable.default ?? null]),
  );
}

function render(template: Template[], scope: object, path: readonly string[], maxBytes: number): string {
  let text: string;
  try {
    text = safeText(String(engine.renderSync(template, scope)));
  } catch (error) {
    throw new TemplateError(path, messageOf(error), error);
  }
  if (byteLength(text) > maxBytes) throw new TemplateError(path, `the text has more than ${maxBytes} bytes`);
  return text;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The template of this name; without a name the one called `default`, else the first; null if there is none. */
export function chooseTemplate(templates: readonly CompiledTemplate[], name: string | null): CompiledTemplate | null {
  if (name !== null) return templates.find((template) => template.name === name) ?? null;
  return templates.find((template) => template.name === 'default') ?? templates[0] ?? null;
}
