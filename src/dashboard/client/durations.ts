/** Used by the pages and in the browser, so that a time reads the same before and after it was brought up to date. */

export type Form = 'age' | 'duration';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long something took: `48 s`, `3 min 40 s`, `1 h 52 min`, `2 d`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return both(whole, MINUTE, 'min', 1, 's');
  return whole < DAY ? both(whole, HOUR, 'h', MINUTE, 'min') : `${Math.floor(whole / DAY)} d`;
}

/** How long ago something was, where a minute more or less doesn't matter: `48 s`, `14 min`, `1 h 52 min`, `2 d`. */
export function age(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  return whole < MINUTE || whole >= HOUR ? duration(whole) : `${Math.floor(whole / MINUTE)} min`;
}

export const inForm = (form: Form, seconds: number): string => (form === 'age' ? age(seconds) : duration(seconds));

function both(seconds: number, size: number, unit: string, smallSize: number, smallUnit: string): string {
  const rest = Math.floor((seconds % size) / smallSize);
  return `${Math.floor(seconds / size)} ${unit}${rest === 0 ? '' : ` ${rest} ${smallUnit}`}`;
}
