// The host of src/lib.rs: makes the events that its tasks wait for, and checks what comes of them. See ../embedded.sh.
import assert from "node:assert";
import { readFile } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";

const module = await WebAssembly.compile(await readFile(process.argv[2]));
const instance = async () => (await WebAssembly.instantiate(module)).exports;

const { start, poll, happen, result } = await instance();
start();
let events = 0;
while (poll() > 0) {
    assert(events < 1000, "the tasks do not end");
    await setImmediate();
    happen();
    events += 1;
}
assert.strictEqual(events, 100);
assert.strictEqual(result(), 5050n); // 1 + 2 + ... + 100

assert((await instance()).block_without_need());
// There is no clock. What docs/faq.md says of that: a call with a timeout panics, which here is a trap.
for (const name of ["lend_timeout", "borrow_timeout"]) {
    const call = (await instance())[name];
    assert.throws(() => call(), WebAssembly.RuntimeError, name);
}
console.log(`${events} loans`);
