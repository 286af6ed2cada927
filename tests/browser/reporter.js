// Prints a line a test, and at the end the line of results that `tests/run` counts.
export default async function* report(events) {
  let passed = 0;
  let failed = 0;
  for await (const { type, data } of events) {
    // A file is a test of its own for node, and nothing for us unless it fails as a whole.
    const whole = data?.nesting === 0 && data?.name?.endsWith(".js");
    if (type === "test:pass" && !whole) {
      passed += data.skip || data.todo ? 0 : 1;
      yield `test ${data.name} ... ok\n`;
    } else if (type === "test:fail" && !(whole && data.details.error?.failureType === "subtestsFailed")) {
      failed += 1;
      const error = data.details.error?.cause ?? data.details.error;
      yield `test ${data.name} ... FAILED\n${error?.stack ?? error}\n`;
    } else if (type === "test:stderr") {
      yield data.message;
    } else if (type === "test:diagnostic" && data.message.startsWith("figure: ")) {
      yield `${data.message}\n`;
    }
  }
  yield `\ntest result: ${failed ? "FAILED" : "ok"}. ${passed} passed; ${failed} failed; in a browser\n`;
}
