import { z } from 'zod';
import {
  forgeSchema,
  ruleSchema,
  type SecretDefinitions,
  secretSchema,
  templateSchema,
} from '../forgejo/config-schema.ts';
import { compileSettings, type Problem } from '../forgejo/configuration.ts';
import { isLoopback, parseListen } from './addresses.ts';
import { hostProblems } from './host-checks.ts';

/**
 * What only shows when parts of the settings are seen together. The data is as it was read: parts of any shape, and of
 * those that are wrong in themselves nothing is said here.
 */
export function crossChecks(data: unknown): Problem[] {
  const parts = z.record(z.string(), z.unknown()).safeParse(data);
  if (!parts.success) return [];
  return [
    ...checkListen(parts.data),
    ...checkOpenPages(parts.data),
    ...checkLeases(parts.data),
    ...hostProblems(parts.data),
    ...checkForgejo(parts.data),
  ];
}

type Parts = Record<string, unknown>;

const listening = z.object({
  listen: z.string().default('127.0.0.1:7070'),
  trusted_proxies: z.array(z.unknown()).default([]),
  allow_plain_http: z.boolean().default(false),
});

function checkListen(parts: Parts): Problem[] {
  const read = listening.safeParse(parts);
  if (!read.success || read.data.allow_plain_http || read.data.trusted_proxies.length > 0) return [];
  const address = parseListen(read.data.listen);
  if (address === null || isLoopback(address.host)) return [];
  return [
    {
      path: ['listen'],
      message:
        'is reached from other machines, where tokens would travel in the clear: ' +
        'name the proxy that speaks TLS in trusted_proxies, or say allow_plain_http: true',
    },
  ];
}

const openPages = listening.extend({ pages: z.object({ open_on_loopback: z.literal(true) }) });

/** Behind a proxy everybody seems to come from loopback. */
function checkOpenPages(parts: Parts): Problem[] {
  const read = openPages.safeParse(parts);
  if (!read.success) return [];
  const address = parseListen(read.data.listen);
  if (address !== null && isLoopback(address.host) && read.data.trusted_proxies.length === 0) return [];
  return [
    {
      path: ['pages', 'open_on_loopback'],
      message: 'opens the pages to everybody when the server is reached from elsewhere or through a proxy',
    },
  ];
}

const leases = z.object({
  leases: z.object({ seconds: z.number().default(30), renew_seconds: z.number().default(10) }),
});

function checkLeases(parts: Parts): Problem[] {
  const read = leases.safeParse(parts);
  if (!read.success || read.data.leases.renew_seconds < read.data.leases.seconds) return [];
  const { seconds, renew_seconds } = read.data.leases;
  const field = isSaid(parts.leases, 'renew_seconds') ? 'renew_seconds' : 'seconds';
  return [
    {
      path: ['leases', field],
      message: `a lease of ${seconds} s that is renewed every ${renew_seconds} s lapses before it is renewed`,
    },
  ];
}

const isSaid = (map: unknown, key: string): boolean =>
  typeof map === 'object' && map !== null && Object.hasOwn(map, key);

/** Templates, forges and rules that are wrong in themselves are replaced, so that the others can be judged. */
function checkForgejo(parts: Parts): Problem[] {
  const forges = listOf(parts.forges).map(
    (forge, at) =>
      forgeSchema.safeParse(forge).data ??
      forgeSchema.parse({ name: nameOf(forge, at), url: 'http://localhost', webhook_secrets: ['unknown'] }),
  );
  const templates = listOf(parts.templates).map(
    (template, at) =>
      templateSchema.safeParse(template).data ??
      templateSchema.parse({ name: nameOf(template, at), command: ['true'] }),
  );
  const read = listOf(parts.rules).map((rule, at) => ({ at, rule: ruleSchema.safeParse(rule).data }));
  const rules = read.flatMap(({ at, rule }) => (rule === undefined ? [] : [{ at, rule }]));
  const secrets = secretsOf(
    parts.secrets,
    templates.map(({ name }) => name),
  );
  const { problems } = compileSettings({ forges, templates, rules: rules.map(({ rule }) => rule), secrets });
  return problems.map(({ path, message }) => {
    const [part, at, ...rest] = path;
    const index = part === 'rules' ? rules[Number(at)]?.at : at;
    return { path: index === undefined ? [...path] : [part ?? '', index, ...rest], message };
  });
}

/** What is wrong in a secret is said elsewhere: here it counts as one that every template may use. */
function secretsOf(value: unknown, templates: string[]): SecretDefinitions {
  const all = z.record(z.string(), z.unknown()).safeParse(value).data ?? {};
  return Object.fromEntries(
    Object.entries(all).map(([name, one]) => [
      name,
      secretSchema.pick({ templates: true }).strip().safeParse(one).data ?? { templates },
    ]),
  );
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** The name, where it is one, so that what refers to it is not called wrong. */
function nameOf(value: unknown, at: number): string {
  const name = z.object({ name: templateSchema.in.shape.name }).safeParse(value).data?.name;
  return name ?? `unnamed-${at}`;
}
