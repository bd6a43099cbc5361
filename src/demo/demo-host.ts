/** A machine for the server to drive, on loopback: with a user, a key of its own and nothing installed for us. */
export type DemoHost = {
  /** What it is, for the story. */
  description: string;
  port: number;
  user: string;
  privateKey: string;
  /** `SHA256:…` */
  hostKey: string;
  /** Ends its SSH server with all sessions, as if the machine had gone; what runs there goes on. */
  vanish(): Promise<void>;
  /** Starts it again, with the same port and keys. */
  comeBack(): Promise<void>;
  stop(): Promise<void>;
};
