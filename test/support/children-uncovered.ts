// Each program that ends in order writes some megabytes of what it has covered, and one that is killed writes nothing:
// faults would add gigabytes, and next to nothing that other tests haven't covered.
delete process.env.NODE_V8_COVERAGE;
