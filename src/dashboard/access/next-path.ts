const NOWHERE = 'http://site.invalid';

/** Where to go after signing in: a path of this site, whatever was asked for. */
export function nextPath(asked: string | undefined): string {
  if (!asked?.startsWith('/')) return '/';
  // Read as a browser reads it, which takes `//`, `/\` and hidden tabs for the beginning of another site's address.
  const url = URL.parse(asked, NOWHERE);
  if (url?.origin !== NOWHERE || url.pathname.startsWith('//')) return '/';
  return `${url.pathname}${url.search}${url.hash}`;
}
