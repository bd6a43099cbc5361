import { type Address, type ConnectOptions, connect } from './connect.ts';
import { fingerprint, keyType, pinHostKeys } from './host-key.ts';

/** A key that nobody has vouched for yet. */
export type ShownKey = { type: string; fingerprint: string };

/** Who signs in doesn't matter: the key is refused before. */
const NOBODY = { user: 'nobody', agentSocket: '/nonexistent' };
const NO_KEY = pinHostKeys([`SHA256:${'A'.repeat(43)}`]);

/** Asks a host which key it shows, and sends it nothing else. Throws {@link MachineError} if it shows none. */
export async function shownKey(to: Address, options: ConnectOptions): Promise<ShownKey> {
  let shown: ShownKey | null = null;
  const matches = (key: Buffer) => {
    shown = { type: keyType(key), fingerprint: fingerprint(key) };
    return false;
  };
  try {
    const connection = await connect({ ...to, ...NOBODY }, { ...NO_KEY, typeUnknown: false, matches }, options);
    connection.cut();
    throw new Error('a key was trusted that nobody knows');
  } catch (error) {
    if (shown === null) throw error;
    return shown;
  }
}
