import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Folders whose files take long, the longest first: begun last, one of them would keep a single worker busy alone. */
const LONG = [
  'test/long/',
  'test/fault/',
  'test/e2e/',
  'test/integration/executor/',
  'test/integration/embedded-',
  'test/integration/loops-',
  'test/integration/dashboard/',
  'test/integration/',
];

/** Starts long files before short ones, on a clean checkout too, where nobody knows yet how long each one takes. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((one, other) => rank(one) - rank(other));
  }
}

function rank({ moduleId }: TestSpecification): number {
  const found = LONG.findIndex((folder) => moduleId.includes(`/${folder}`));
  return found < 0 ? LONG.length : found;
}
