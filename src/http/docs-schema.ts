import { html } from 'hono/html';

/** The parts of JSON Schema that the document of the API uses. */
export type Schema = {
  $ref?: string;
  type?: string | readonly string[];
  enum?: readonly unknown[];
  const?: unknown;
  format?: string;
  description?: string;
  properties?: Readonly<Record<string, Schema>>;
  required?: readonly string[];
  items?: Schema;
  additionalProperties?: Schema | boolean;
  anyOf?: readonly Schema[];
  oneOf?: readonly Schema[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
};

const refName = (ref: string): string => ref.split('/').at(-1) ?? ref;

/** A schema in a few words: `list of string`, `Task or null`, `one of a, b`. */
export function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) return refName(schema.$ref);
  if (schema.enum !== undefined) return `one of ${schema.enum.map(String).join(', ')}`;
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return choices.map(typeOf).join(' or ');
  const types = typeof schema.type === 'string' ? [schema.type] : (schema.type ?? ['any JSON']);
  return types.map((type) => wordFor(type, schema)).join(' or ');
}

function wordFor(type: string, schema: Schema): string {
  if (type === 'array') return `list of ${typeOf(schema.items ?? {})}`;
  if (type === 'object' && schema.properties === undefined && typeof schema.additionalProperties === 'object') {
    return `map to ${typeOf(schema.additionalProperties)}`;
  }
  return type === 'string' && schema.format !== undefined ? schema.format : type;
}

export function limitsOf(schema: Schema): string {
  const range = (least: number | undefined, most: number | undefined, unit: string) => {
    if (least === undefined && most === undefined) return [];
    if (least === undefined) return [`at most ${most}${unit}`];
    return [most === undefined ? `at least ${least}${unit}` : `${least} to ${most}${unit}`];
  };
  return [
    ...range(schema.minimum, schema.maximum, ''),
    ...range(schema.minLength, schema.maxLength, ' characters'),
    ...range(schema.minItems, schema.maxItems, ' items'),
  ].join(', ');
}

type Markup = ReturnType<typeof html>;

/** The fields of an object, nested ones indented by their path; nothing for what isn't an object. */
export function fieldTable(schema: Schema): Markup {
  const rows = fieldRows(schema, '');
  if (rows.length === 0) return html``;
  return html`<table><thead><tr><th>field</th><th>type</th><th></th></tr></thead><tbody>${rows}</tbody></table>`;
}

function fieldRows(schema: Schema, prefix: string): Markup[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const notes = [schema.required?.includes(name) ? 'required' : '', limitsOf(field), field.description ?? ''];
    const row = html`<tr><td><code>${prefix}${name}</code></td><td>${typeOf(field)}</td><td>${notes.filter(Boolean).join('; ')}</td></tr>`;
    const nested = field.properties === undefined ? field.items : field;
    return [row, ...(nested?.properties === undefined ? [] : fieldRows(nested, `${prefix}${name}.`))];
  });
}
