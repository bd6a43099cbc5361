import { type Html, html } from '../html.ts';

/** One message of a stream. Without an event its data is markup for parts of the page. */
export type Message = { event?: 'hello' | 'log' | 'reload'; id?: string; data: string };

/**
 * Parts of a page as the data of a message. Each stands in a template of its own: rows of a table are understood only
 * where nothing else was before them.
 */
export const partsData = (parts: readonly Html[]): string =>
  parts.map((part) => String(html`<template>${part}</template>`)).join('\n');

/** As it goes over the wire. */
export function written({ event, id, data }: Message): string {
  const fields = [...(event ? [`event: ${event}`] : []), ...(id === undefined ? [] : [`id: ${id}`])];
  // A carriage return would end a line too.
  const lines = data.replaceAll('\r', '').split('\n');
  return `${[...fields, ...lines.map((line) => `data: ${line}`)].join('\n')}\n\n`;
}
