const UNITS = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
] as const;

/** `95` → `1 min`: the largest unit of which there is one. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  for (const [size, unit] of UNITS) {
    if (whole >= size) return `${Math.floor(whole / size)} ${unit}`;
  }
  return `${whole} s`;
}

/** How long ago a time was. */
export const ago = (time: string, now: number = Date.now()): string => span((now - Date.parse(time)) / 1000);
