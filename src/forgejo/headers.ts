/** The headers of one delivery, names in lower case. A name that came twice has both values, joined by a comma. */
export type DeliveryHeaders = Readonly<Record<string, string>>;

/** The value of a header, or null; only what the request itself carried, never an inherited property. */
export const headerValue = (headers: DeliveryHeaders, name: string): string | null =>
  Object.hasOwn(headers, name) ? (headers[name] ?? null) : null;

const CREDENTIALS = ['authorization', 'proxy-authorization', 'cookie'];

/** The headers as they may be stored and shown: a hook, or a proxy before us, can add a credential. */
export const storableHeaders = (headers: DeliveryHeaders): DeliveryHeaders =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, CREDENTIALS.includes(name) ? '[redacted]' : value]),
  );
