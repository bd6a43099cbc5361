import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import type { OpenApiDocument } from '../../src/http/openapi.ts';

export type Operation = { method: string; path: string; responses: Record<string, Described> };
type Described = { content?: Record<string, unknown> };
export type Observed = { method: string; path: string; status: number; contentType: string | null; json: unknown };

const METHODS = ['get', 'put', 'post', 'patch', 'delete'];

/** Every operation of the document. */
export const operationsOf = (document: OpenApiDocument): Operation[] =>
  Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Record<string, { responses: Operation['responses'] }>)
      .filter(([method]) => METHODS.includes(method))
      .map(([method, { responses }]) => ({ method: method.toUpperCase(), path, responses })),
  );

export type AnswerCheck = {
  /** The operation that the document has for a request; undefined where it has none. */
  operation(method: string, path: string): Operation | undefined;
  /** What an answer has that the document doesn't say of it, as sentences; nothing where it is as described. */
  problems(observed: Observed): string[];
};

/** Holds answers against the document: their status, their type, and every field, none more and none less. */
export function createAnswerCheck(document: OpenApiDocument): AnswerCheck {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema(closed(document) as object, 'document');
  const operations = operationsOf(document);
  const compiled = new Map<string, ValidateFunction>();
  const validatorAt = (pointer: string) => {
    const known = compiled.get(pointer) ?? ajv.compile({ $ref: `document#${pointer}` });
    compiled.set(pointer, known);
    return known;
  };
  const operation: AnswerCheck['operation'] = (method, path) => {
    const matching = operations.filter((one) => one.method === method && pattern(one.path).test(pathOnly(path)));
    // A path without parameters goes before one with.
    return matching.find((one) => one.path === pathOnly(path)) ?? matching[0];
  };
  return {
    operation,
    problems({ method, path, status, contentType, json }) {
      const found = operation(method, path);
      const at = `${method} ${found?.path ?? path} ${status}`;
      const response = found?.responses[status];
      if (!found || !response) return [`${at}: not described`];
      const type = contentType?.split(';')[0] ?? null;
      const types = Object.keys(response.content ?? {});
      if (type === null) return types.length === 0 ? [] : [`${at}: has no body`];
      if (!types.includes(type)) return [`${at}: is ${type}, not ${types.join(' or ')}`];
      if (!type.endsWith('json')) return [];
      const parts = ['paths', found.path, method.toLowerCase(), 'responses', `${status}`, 'content', type, 'schema'];
      const validate = validatorAt(parts.map((part) => `/${escaped(part)}`).join(''));
      if (validate(json)) return [];
      return (validate.errors ?? []).map((error) => {
        const extra = error.keyword === 'additionalProperties' ? ` ${error.params.additionalProperty}` : '';
        return `${at}: ${error.instancePath} ${error.message}${extra}`;
      });
    },
  };
}

const pathOnly = (path: string): string => path.split('?')[0] ?? path;
const pattern = (path: string): RegExp => new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`);
/** As part of a JSON pointer in an address. */
const escaped = (part: string): string => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'));

/** The same, with no field allowed that isn't named: clients may be told of new ones, the document must know them. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const same: Record<string, unknown> = Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, closed(member)]),
  );
  const isOpen = same.type === 'object' && typeof same.properties === 'object' && !('additionalProperties' in same);
  return isOpen ? { ...same, additionalProperties: false } : same;
}
