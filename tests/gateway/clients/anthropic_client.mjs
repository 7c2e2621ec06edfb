// Two requests with Anthropic's Node SDK, unmodified, with what is in the environment. Prints a line of JSON after each;
// waits for a line on standard input between them. Usage: node anthropic_client.mjs FOLDER_OF_THE_SDK
import { once } from "node:events";
import { createRequire } from "node:module";

const { Anthropic } = createRequire(`${process.argv[2]}/package.json`)("@anthropic-ai/sdk");
const client = new Anthropic();
const asked = (content) => ({ model: "sandbox-parrot", max_tokens: 100, messages: [{ role: "user", content }] });
const whole = await client.messages.create(asked("one"));
console.log(JSON.stringify({ text: whole.content[0].text }));
await once(process.stdin, "data");
const text = await client.messages.stream(asked("two")).finalText();
console.log(JSON.stringify({ text }));
process.exit(0);
