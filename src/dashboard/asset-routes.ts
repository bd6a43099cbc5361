import { Hono } from 'hono';
import { compress } from 'hono/compress';
import { notFound } from '../domain/errors.ts';
import type { Assets } from './assets.ts';
import type { PageEnv } from './deps.ts';
import { pageHeaders } from './headers.ts';

const FOR_EVER = 'public, max-age=31536000, immutable';

/** Style and scripts: never another content under the same address. */
export const assetRoutes = ({ files, path }: Assets): Hono<PageEnv> =>
  new Hono<PageEnv>().get(`${path}/:name`, pageHeaders, compress(), (c) => {
    const asset = files.get(c.req.param('name'));
    if (asset === undefined) throw notFound('file');
    return c.body(asset.body, 200, { 'Content-Type': asset.type, 'Cache-Control': FOR_EVER });
  });
