import {
  DEFAULT_RULES,
  type Forge,
  type Rule,
  type SecretDefinitions,
  type TemplateDefinition,
} from './config-schema.ts';
import { type CompiledTemplate, compileTemplate, TemplateError } from './templates.ts';

/** A mistake in the configuration file; `path` leads to it from the top, as `['rules', 0, 'template']`. */
export type Problem = { path: readonly (string | number)[]; message: string };

export type ForgejoSettings = {
  forges: readonly Forge[];
  templates: readonly CompiledTemplate[];
  rules: readonly Rule[];
};

/**
 * What deliveries are decided with, from the parsed parts of the file, and every mistake that only shows when they are
 * seen together. Without `rules` the defaults hold. Settings with problems must not be used.
 */
export function compileSettings(file: {
  forges: readonly Forge[];
  templates: readonly TemplateDefinition[];
  rules: readonly Rule[] | undefined;
  secrets?: SecretDefinitions;
}): { settings: ForgejoSettings; problems: Problem[] } {
  const problems = [...doubles('forges', file.forges), ...doubles('templates', file.templates)];
  const templates = file.templates.flatMap((definition, at) => {
    try {
      return [compileTemplate(definition)];
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      problems.push({ path: ['templates', at, ...error.path], message: error.message });
      return [];
    }
  });
  problems.push(...dangling(file.rules ?? [], file), ...strayed(file.secrets ?? {}, file.templates));
  return { settings: { forges: file.forges, templates, rules: file.rules ?? DEFAULT_RULES }, problems };
}

function doubles(key: string, list: readonly { name: string }[]): Problem[] {
  return list.flatMap(({ name }, at) =>
    list.findIndex((other) => other.name === name) < at
      ? [{ path: [key, at, 'name'], message: `there are two with the name ${name}` }]
      : [],
  );
}

function dangling(
  rules: readonly Rule[],
  file: { forges: readonly { name: string }[]; templates: readonly { name: string }[] },
): Problem[] {
  const has = (list: readonly { name: string }[], name: string | null): boolean =>
    name === null || list.some((one) => one.name === name);
  return rules.flatMap((rule, at) => {
    const problems: Problem[] = [];
    if (!has(file.templates, rule.template))
      problems.push({ path: ['rules', at, 'template'], message: `there is no template ${rule.template}` });
    if (!has(file.forges, rule.forge))
      problems.push({ path: ['rules', at, 'forge'], message: `there is no forge ${rule.forge}` });
    return problems;
  });
}

/** Secrets that a template names and may not use, and templates that secrets name and that there aren't. */
function strayed(secrets: SecretDefinitions, templates: readonly TemplateDefinition[]): Problem[] {
  const ofTemplates = templates.flatMap(({ name, environment }, at) =>
    Object.entries(environment).flatMap(([key, value]): Problem[] => {
      if (typeof value === 'string') return [];
      const secret = Object.hasOwn(secrets, value.secret) ? secrets[value.secret] : undefined;
      if (secret?.templates.includes(name)) return [];
      const message =
        secret === undefined ? 'there is no secret' : `the template ${name} is not among the templates of`;
      return [{ path: ['templates', at, 'environment', key, 'secret'], message: `${message} ${value.secret}` }];
    }),
  );
  const ofSecrets = Object.entries(secrets).flatMap(([key, secret]) =>
    secret.templates.flatMap((name, at) =>
      templates.some((template) => template.name === name)
        ? []
        : [{ path: ['secrets', key, 'templates', at], message: `there is no template ${name}` }],
    ),
  );
  return [...ofTemplates, ...ofSecrets];
}
