import { html as template } from 'hono/html';
import type { HtmlEscapedString } from 'hono/utils/html';
import { visible } from '../domain/visible.ts';

export type Html = HtmlEscapedString;
type Value = string | number | null | false | Html | readonly Html[];

/** Markup whose values are escaped where they stand, in text as in quoted attributes. */
export const html = (strings: TemplateStringsArray, ...values: Value[]): Html =>
  // A promise only if a value is one, and none may be.
  template(strings, ...values) as Html;

/** Text from the world for one line: it can't turn the direction of what stands around it, nor hide a character. */
export const outside = (text: string): Html => html`<bdi>${visible(text)}</bdi>`;
