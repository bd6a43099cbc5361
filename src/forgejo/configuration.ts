import { DEFAULT_RULES, type Forge, type Rule, type TemplateDefinition } from './config-schema.ts';
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
  problems.push(...dangling(file.rules ?? [], file));
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
