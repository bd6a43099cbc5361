import { Worker } from 'node:worker_threads';
import type { Json } from '../../domain/canonical-json.ts';
import type { Answer, Question } from './thread.ts';

/**
 * Judges schemas and outputs on a thread of its own, one after the other: they are written by others, may be made to take
 * long, and nobody else is to wait for them meanwhile.
 */
export type SchemaJudge = {
  /** Why a JSON Schema can't be used, to end a sentence about it; null: it can. */
  faultOf(schema: Json): Promise<string | null>;
  /** Where and how an output doesn't fit a schema, as one sentence; null: it does. */
  misfit(schema: Json, output: Json): Promise<string | null>;
  stop(): Promise<void>;
};

const TOO_LARGE = 'it takes too much memory';

type Asked = Question & { tries: number; resolve(fault: string | null): void; reject(error: unknown): void };

/** The thread begins with the first question, may take so much memory, and keeps no program from ending. */
export function createSchemaJudge(memoryMb = 512): SchemaJudge {
  /** In the order in which they are answered. */
  const asked = new Map<number, Asked>();
  let thread: Worker | null = null;
  let questions = 0;

  const begin = (): Worker => {
    const made = new Worker(new URL('./thread.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: memoryMb },
    });
    made.unref();
    made.on('message', ({ id, fault }: Answer) => {
      asked.get(id)?.resolve(fault);
      asked.delete(id);
    });
    made.on('error', (error) => {
      if (thread !== made) return;
      thread = null;
      goOn(error);
    });
    return made;
  };

  const send = (one: Asked) => {
    asked.set(one.id, one);
    thread ??= begin();
    const { id, schema, output } = one;
    thread.postMessage({ id, schema, ...(output !== undefined && { output }) } satisfies Question);
  };

  /** The first one was being judged when the thread ended; what it kept of others may be to blame, so it has another try. */
  const goOn = (error: unknown) => {
    const [first, ...others] = asked.values();
    asked.clear();
    const outOfMemory = (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
    if (first && !outOfMemory) first.reject(error);
    else if (first && first.tries > 0) first.resolve(TOO_LARGE);
    else if (first) send({ ...first, tries: first.tries + 1 });
    others.forEach(send);
  };

  const ask = (question: Omit<Question, 'id'>) =>
    new Promise<string | null>((resolve, reject) => {
      questions += 1;
      send({ ...question, id: questions, tries: 0, resolve, reject });
    });

  return {
    faultOf: (schema) => ask({ schema }),
    misfit: (schema, output) => ask({ schema, output }),
    async stop() {
      const last = thread;
      thread = null;
      await last?.terminate();
      for (const { reject } of asked.values()) reject(new Error('the server is stopping'));
      asked.clear();
    },
  };
}
