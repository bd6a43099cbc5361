import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What some tests need of the machine beyond npm, and the Debian package that has it. */
export const programs = {
  sshd: { names: ['sshd'], debian: 'openssh-server' },
  chromium: { names: ['chromium', 'chromium-browser', 'google-chrome'], debian: 'chromium' },
  bash: { names: ['bash'], debian: 'bash' },
  dash: { names: ['dash'], debian: 'dash' },
  busybox: { names: ['busybox'], debian: 'busybox' },
  curl: { names: ['curl'], debian: 'curl' },
  openssl: { names: ['openssl'], debian: 'openssl' },
  jq: { names: ['jq'], debian: 'jq' },
  bwrap: { names: ['bwrap'], debian: 'bubblewrap' },
} as const;

export type ProgramName = keyof typeof programs;

/** In continuous integration everything must be there, so that no proof goes missing unnoticed. */
export const everythingIsRequired = ['TASKEJO_CI', 'CI'].some((name) => /^(1|true)$/.test(process.env[name] ?? ''));

/** Its absolute path, or undefined. */
export function findProgram(name: ProgramName): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/sbin', '/usr/bin'];
  const files = folders.flatMap((folder) => programs[name].names.map((file) => join(folder, file)));
  return files.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** What to tell whoever looks for the program. */
export function missing(name: ProgramName): string {
  return `${name} is missing on this machine (Debian: apt-get install ${programs[name].debian})`;
}
