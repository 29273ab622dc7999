// An executor in JavaScript without an SDK: the WIT's bindings and nothing else.

import documents from "wasm-flow:executor/documents@0.1.0";
import logging from "wasm-flow:executor/logging@0.1.0";
import timers from "wasm-flow:executor/timers@0.1.0";

const { DocumentArray } = documents;
const ALL = { tag: "all" };

// The replica's name, from `start`.
let name = "";

const methods = {
  /** Notes in each document who saw it. */
  async trace(request, docs) {
    const texts = docs.strings("text", ALL);
    docs.setStrings("text", ALL, texts.map((text) => `${text}>${name}`));
    const tags = docs.jsonObjects("tags", ALL).map((tags) => JSON.parse(tags || "{}"));
    docs.setJsonObjects("tags", ALL, tags.map((tags) => JSON.stringify({ ...tags, javascript: name })));
    request.setResults(JSON.stringify({ seen: texts, parameters: JSON.parse(request.parameters()) }));
  },
  /** Adds one to the numbers of the embeddings, all at once. */
  async embedding(request, docs) {
    const matrix = docs.matrix("embedding", ALL);
    // A copy: the bytes need not begin where numbers may.
    const numbers = new Float32Array(matrix.buffer.slice().buffer);
    const buffer = new Uint8Array(numbers.map((x) => x + 1).buffer);
    docs.setMatrix("embedding", ALL, { ...matrix, buffer });
  },
  /** Answers with documents of its own. */
  async other(request) {
    const answer = new DocumentArray();
    answer.appendNew(2);
    answer.setStrings("text", ALL, ["new", "ünïcode"]);
    request.setDocs(answer);
  },
  /** Lets other calls run for a second. */
  async wait() {
    await timers.after(1e9).read();
  },
  /** Throws, after it has written. */
  async fail(request, docs) {
    docs.setStrings("text", ALL, Array(docs.length()).fill("half done"));
    throw new RangeError("deliberate failure in JavaScript");
  },
  /** Writes what the host does not take. */
  async refused(request, docs) {
    docs.setJsonObjects("tags", ALL, Array(docs.length()).fill("[]"));
  },
};

export const executor = {
  describe: () => ({
    name: "Scripted",
    version: "1.2.3",
    documentation: "An executor in JavaScript without an SDK.",
    methods: Object.keys(methods).map((name) => ({
      name,
      endpoints: [`/${name}`],
      concurrency: "concurrent",
      documentation: "",
      parametersSchema: "",
      details: "",
    })),
    configSchema: "",
    sdk: "none (JavaScript)",
    details: "",
  }),
  async start(configuration) {
    name = JSON.parse(configuration.runtimeArgs).name;
    logging.log("info", "started", configuration.usesWith);
  },
  async handle(method, request, docs, length) {
    try {
      if (length !== docs.length()) {
        throw new Error(`${length} documents were told, and there are ${docs.length()}`);
      }
      await Object.values(methods)[method](request, docs);
    } catch (error) {
      throw failure(error);
    }
  },
  async stop() {
    logging.log("info", "stopped", "");
  },
};

// What is thrown has to be a record of the WIT: anything else ends the instance.
function failure(error) {
  // What the host refuses is a case of the WIT's `error`, in an Error's `payload`.
  const refused = error?.payload;
  if (refused !== undefined) {
    return { name: refused.tag, message: refused.val, trace: [], details: "" };
  }
  const trace = String(error?.stack ?? "").split("\n").filter((line) => line !== "");
  return { name: error?.name ?? "Error", message: error?.message ?? String(error), trace, details: '{"retry": false}' };
}
